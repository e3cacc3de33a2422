//! What every model backend keeps.
//!
//! Most of these laws need a server that behaves in a certain way: a [`Scene`]. A [`LlmPlace`] gives a backend whose server plays it, or
//! says why it cannot.

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt};
use futures_timer::Delay;

use super::{
    LawResult, LlmPlace, LlmSeat, PATIENCE, Scene, Unkept, broken, ensure, laws_of, promptly,
    skipped,
};
use crate::error::{Error, ErrorKind, Result};
use crate::llm::{Arguments, Completion, Delta, FinishReason, Message, Request, ToolCall, Usage};

laws_of! { $
    /// Expands every law of [`LlmBackend`](crate::LlmBackend) to a test of its own, in a module of the given name: `llm_laws!(name, block_on,
    /// factory)`, where `factory` gives a [`Fixture`](crate::testing::Fixture) of an [`LlmPlace`](crate::testing::laws::LlmPlace).
    llm_laws => llm [dyn LlmPlace];
    model_is_constant only_simulated_models_say_so reply_is_whole deltas_make_the_completion
    stream_and_completion_agree calls_arrive malformed_arguments_are_kept usage_is_told unknown_usage_is_none
    rate_limit_is_retryable overload_is_retryable nonsense_is_an_error bad_request_is_final bad_key_is_final
    overflow_is_its_own_kind cut_reply_is_an_error cut_stream_is_an_error dropped_call_stops dropped_stream_stops
    key_is_hidden calls_at_once_keep_their_answers
}

type Guard = Box<dyn std::any::Any + Send + Sync>;

async fn seat(place: &dyn LlmPlace, scene: Scene) -> Result<(LlmSeat, Guard), Unkept> {
    place.serve(scene).await.into_parts()
}

fn asking(text: &str) -> Request {
    Request { messages: vec![Message::user(text)], ..Request::default() }
}

async fn complete(place: &dyn LlmPlace, scene: Scene) -> Result<Result<Completion>, Unkept> {
    let (seat, _guard) = seat(place, scene).await?;
    promptly("the call", seat.backend.complete(asking("hello"))).await
}

async fn stream(place: &dyn LlmPlace, scene: Scene) -> Result<Vec<Result<Delta>>, Unkept> {
    let (seat, _guard) = seat(place, scene).await?;
    let all = async {
        match seat.backend.stream(asking("hello")).await {
            Ok(stream) => stream.collect().await,
            Err(error) => vec![Err(error)],
        }
    };
    promptly("the stream", all).await
}

/// Long enough, and odd enough, to come in pieces that are cut in awkward places.
fn long_text() -> String {
    "Grüße, 你好 🦀\n\"quoted\" data: {}\n\n".repeat(40)
}

/// The backend names the same model before and after a call.
pub async fn model_is_constant(place: &dyn LlmPlace) -> LawResult {
    let (seat, _guard) = seat(place, Scene::Reply("hi".to_owned())).await?;
    let before = seat.backend.model().clone();
    let _ = promptly("the call", seat.backend.complete(asking("hello"))).await?;
    let after = seat.backend.model();
    ensure!(*after == before, "it was '{before}' before a call and is '{after}' after it");
    ensure!(!before.provider.is_empty() && !before.name.is_empty(), "'{before}' names nobody");
    Ok(())
}

/// A simulated model says so, and no other does.
pub async fn only_simulated_models_say_so(place: &dyn LlmPlace) -> LawResult {
    let (seat, _guard) = seat(place, Scene::Reply("hi".to_owned())).await?;
    let (model, simulated) = (seat.backend.model(), seat.simulated);
    ensure!(
        model.is_simulated() == simulated,
        "simulated: {simulated}, but it is called '{model}'"
    );
    Ok(())
}

/// A text arrives whole, letters beyond ASCII and line ends included, and its end is told.
pub async fn reply_is_whole(place: &dyn LlmPlace) -> LawResult {
    let completion = complete(place, Scene::Reply(long_text())).await??;
    ensure!(
        completion.message.content == long_text(),
        "the text is {:?}",
        completion.message.content
    );
    ensure!(completion.finish == FinishReason::Stop, "it finished with {:?}", completion.finish);
    ensure!(completion.message.tool_calls.is_empty(), "it calls tools that nobody called");
    Ok(())
}

/// The pieces of a stream make up its completion; exactly one end, and nothing after it.
pub async fn deltas_make_the_completion(place: &dyn LlmPlace) -> LawResult {
    let deltas = stream(place, Scene::Reply(long_text())).await?;
    let deltas = deltas.into_iter().collect::<Result<Vec<_>>>()?;
    let mut text = String::new();
    for delta in &deltas {
        if let Delta::Text(piece) = delta {
            text.push_str(piece);
        }
    }
    let ends = deltas.iter().filter(|delta| matches!(delta, Delta::Done(_))).count();
    ensure!(ends == 1, "the stream has {ends} ends");
    let Some(Delta::Done(completion)) = deltas.last() else {
        return broken("pieces come after the end of the stream");
    };
    let whole = &completion.message.content;
    ensure!(text == *whole, "the pieces make {text:?}, the end says {whole:?}");
    ensure!(*whole == long_text(), "the text is {whole:?}");
    Ok(())
}

/// Streamed or not, the answer is the same.
pub async fn stream_and_completion_agree(place: &dyn LlmPlace) -> LawResult {
    let whole = complete(place, Scene::Reply(long_text())).await??;
    let deltas = stream(place, Scene::Reply(long_text())).await?;
    let Some(Ok(Delta::Done(streamed))) = deltas.into_iter().last() else {
        return broken("the stream has no end");
    };
    let same = whole.message == streamed.message && whole.finish == streamed.finish;
    ensure!(same, "completed: {whole:?}; streamed: {streamed:?}");
    Ok(())
}

fn tool_call(arguments: Arguments) -> ToolCall {
    ToolCall { id: "call-1".to_owned(), name: "shell".to_owned(), arguments }
}

/// A call of a tool arrives with its name and its arguments, and is told as the reason for the end.
pub async fn calls_arrive(place: &dyn LlmPlace) -> LawResult {
    let arguments = serde_json::json!({"command": "echo \"ü\"", "nested": [1, {"deep": null}]});
    let call = tool_call(Arguments::Parsed(arguments));
    let completion = complete(place, Scene::Call(call.clone())).await??;
    let calls = &completion.message.tool_calls;
    let [got] = calls.as_slice() else { return broken(format!("one call arrived as {calls:?}")) };
    let same = got.name == call.name && got.arguments == call.arguments && !got.id.is_empty();
    ensure!(same, "{call:?} arrived as {got:?}");
    ensure!(
        completion.finish == FinishReason::ToolCalls,
        "it finished with {:?}",
        completion.finish
    );
    Ok(())
}

/// Arguments that are not JSON are kept as they were written: no error, and nothing made up.
pub async fn malformed_arguments_are_kept(place: &dyn LlmPlace) -> LawResult {
    let written = Arguments::Malformed("{\"command\": \"ls".to_owned());
    let completion = complete(place, Scene::Call(tool_call(written.clone()))).await??;
    let got = completion.message.tool_calls.first().map(|call| &call.arguments);
    ensure!(got == Some(&written), "{written:?} arrived as {got:?}");
    Ok(())
}

/// Usage that the server tells is the completion's.
pub async fn usage_is_told(place: &dyn LlmPlace) -> LawResult {
    let told = Usage {
        prompt_tokens: 120,
        completion_tokens: 30,
        cached_tokens: 20,
        cost_usd: None,
        ..Usage::default()
    };
    let completion = complete(place, Scene::Usage(told)).await??;
    let Some(got) = completion.usage else { return broken("the usage was left out") };
    // The price may be the backend's own knowledge.
    let same = Usage { cost_usd: None, ..got } == told;
    ensure!(same, "{told:?} was told as {got:?}");
    Ok(())
}

/// Usage that nobody told is unknown, never 0.
pub async fn unknown_usage_is_none(place: &dyn LlmPlace) -> LawResult {
    let completion = complete(place, Scene::NoUsage).await??;
    let usage = completion.usage;
    ensure!(usage.is_none(), "the server told no usage, the completion says {usage:?}");
    Ok(())
}

async fn refused(place: &dyn LlmPlace, scene: Scene) -> Result<Error, Unkept> {
    match complete(place, scene.clone()).await? {
        Ok(completion) => broken(format!("in the scene {scene:?} it gave {completion:?}")),
        Err(error) => Ok(error),
    }
}

async fn refused_as(place: &dyn LlmPlace, scene: Scene, kind: ErrorKind) -> Result<Error, Unkept> {
    let error = refused(place, scene.clone()).await?;
    let got = error.kind();
    ensure!(got == kind, "{scene:?} is told as {got:?} instead of {kind:?}: {error}");
    Ok(error)
}

/// A rate limit may pass: retryable, with the server's own word on when.
pub async fn rate_limit_is_retryable(place: &dyn LlmPlace) -> LawResult {
    let wait = Duration::from_secs(7);
    let error = refused_as(place, Scene::RateLimited(wait), ErrorKind::ModelUnavailable).await?;
    let told = error.retry_after();
    ensure!(told == Some(wait), "the server said to wait {wait:?}, the error says {told:?}");
    Ok(())
}

/// An overloaded server may recover: retryable.
pub async fn overload_is_retryable(place: &dyn LlmPlace) -> LawResult {
    refused_as(place, Scene::Overloaded, ErrorKind::ModelUnavailable).await.map(drop)
}

/// What is no answer is a retryable error, never a completion.
pub async fn nonsense_is_an_error(place: &dyn LlmPlace) -> LawResult {
    refused_as(place, Scene::Nonsense, ErrorKind::ModelUnavailable).await.map(drop)
}

/// A bad request stays bad: not retryable.
pub async fn bad_request_is_final(place: &dyn LlmPlace) -> LawResult {
    refused_as(place, Scene::BadRequest, ErrorKind::ModelRejected).await.map(drop)
}

/// A key that is not taken stays so: not retryable.
pub async fn bad_key_is_final(place: &dyn LlmPlace) -> LawResult {
    refused_as(place, Scene::BadKey, ErrorKind::ModelRejected).await.map(drop)
}

/// A conversation that is too long has a kind of its own: a harness can shorten it.
pub async fn overflow_is_its_own_kind(place: &dyn LlmPlace) -> LawResult {
    refused_as(place, Scene::Overflow, ErrorKind::ContextOverflow).await.map(drop)
}

/// An answer that was cut off is an error, however much of it came.
pub async fn cut_reply_is_an_error(place: &dyn LlmPlace) -> LawResult {
    refused_as(place, Scene::Cut, ErrorKind::ModelUnavailable).await.map(drop)
}

/// A stream that was cut off ends in an error and never in an end.
pub async fn cut_stream_is_an_error(place: &dyn LlmPlace) -> LawResult {
    let deltas = stream(place, Scene::Cut).await?;
    let ended = deltas.iter().any(|delta| matches!(delta, Ok(Delta::Done(_))));
    ensure!(!ended, "a stream that was cut off has an end");
    ensure!(matches!(deltas.last(), Some(Err(_))), "a stream that was cut off just stops");
    Ok(())
}

/// Dropping the future of a call ends the request.
pub async fn dropped_call_stops(place: &dyn LlmPlace) -> LawResult {
    let (seat, _guard) = seat(place, Scene::Silence).await?;
    let work = seat.backend.complete(asking("hello"));
    dropping_stops(&seat, work.map(|done| format!("{done:?}")).boxed()).await
}

/// Dropping a stream ends the request.
pub async fn dropped_stream_stops(place: &dyn LlmPlace) -> LawResult {
    let (seat, _guard) = seat(place, Scene::Silence).await?;
    let work = async {
        match seat.backend.stream(asking("hello")).await {
            Ok(mut stream) => format!("{:?}", stream.next().await),
            Err(error) => format!("{error:?}"),
        }
    };
    dropping_stops(&seat, work.boxed()).await
}

async fn dropping_stops(seat: &LlmSeat, work: BoxFuture<'_, String>) -> LawResult {
    let Some(in_flight) = seat.in_flight.clone() else {
        return skipped("nobody can say how many requests the server is busy with");
    };
    let arrived = until(PATIENCE, || in_flight() > 0);
    match futures::future::select(work, arrived.boxed()).await {
        futures::future::Either::Left((done, _)) => {
            return broken(format!("a server that never answers gave {done}"));
        }
        futures::future::Either::Right((arrived, _)) => {
            ensure!(arrived, "the request never reached the server");
        }
    }
    // Hanging up takes a moment on a real wire.
    let ended = until(PATIENCE / 3, || in_flight() == 0).await;
    ensure!(ended, "the request goes on though nobody waits for it");
    Ok(())
}

/// Waits for a condition, up to `limit`.
async fn until(limit: Duration, condition: impl Fn() -> bool) -> bool {
    for _ in 0..limit.as_millis() / 10 {
        if condition() {
            return true;
        }
        Delay::new(Duration::from_millis(10)).await;
    }
    false
}

/// Neither `Debug` nor an error shows the key.
pub async fn key_is_hidden(place: &dyn LlmPlace) -> LawResult {
    let (seat, _guard) = seat(place, Scene::BadKey).await?;
    let Some(secret) = seat.secret.clone() else { return skipped("this backend has no key") };
    let shown = format!("{:?}", seat.backend);
    ensure!(!shown.contains(&secret), "`Debug` of the backend shows the key");
    if let Err(error) = promptly("the call", seat.backend.complete(asking("hello"))).await? {
        let shown = format!("{error:?} {}", error.report());
        ensure!(!shown.contains(&secret), "an error shows the key");
    }
    Ok(())
}

/// Eight calls at once get each their own answer.
pub async fn calls_at_once_keep_their_answers(place: &dyn LlmPlace) -> LawResult {
    let (seat, _guard) = seat(place, Scene::Echo).await?;
    let one = async |number: usize| -> LawResult {
        let text = format!("question {number}");
        let completion = seat.backend.complete(asking(&text)).await?;
        let answer = completion.message.content;
        ensure!(answer == text, "'{text}' was answered with {answer:?}");
        Ok(())
    };
    promptly("eight calls at once", join_all((0..8).map(one))).await?.into_iter().collect()
}
