//! genai's reply in our words.

use genai::chat::{ChatResponse, StopReason, ToolCall as TheirCall, Usage as TheirUsage};
use harness_core::{Arguments, Completion, FinishReason, Message, ToolCall, Usage};
use serde_json::Value;

pub(crate) fn completion(answer: &ChatResponse) -> Completion {
    let mut message = Message::assistant(answer.texts().concat());
    message.reasoning = answer.reasoning_content.clone();
    message.tool_calls = answer.tool_calls().into_iter().map(call).collect();
    let finish = match &answer.stop_reason {
        Some(StopReason::ToolCall(_)) => FinishReason::ToolCalls,
        Some(StopReason::Completed(_) | StopReason::StopSequence(_))
            if message.tool_calls.is_empty() =>
        {
            FinishReason::Stop
        }
        Some(StopReason::Completed(_) | StopReason::StopSequence(_)) => FinishReason::ToolCalls,
        Some(StopReason::MaxTokens(_)) => FinishReason::Length,
        Some(StopReason::ContentFilter(_)) => FinishReason::ContentFilter,
        Some(StopReason::Other(other)) => FinishReason::Other(other.clone()),
        None => FinishReason::Other("none given".to_owned()),
    };
    Completion {
        message,
        finish,
        usage: usage(&answer.usage),
        served_by: Some(answer.provider_model_iden.model_name.to_string()),
    }
}

fn call(call: &TheirCall) -> ToolCall {
    let arguments = match &call.fn_arguments {
        // What it could not parse, it keeps as text.
        Value::String(written) => Arguments::parse(written),
        value => Arguments::Parsed(value.clone()),
    };
    ToolCall { id: call.call_id.clone(), name: call.fn_name.clone(), arguments }
}

/// Where it knows nothing, neither do we: unknown is never 0.
fn usage(usage: &TheirUsage) -> Option<Usage> {
    let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
    let details = usage.prompt_tokens_details.as_ref();
    Some(Usage {
        prompt_tokens: count(usage.prompt_tokens)?,
        completion_tokens: count(usage.completion_tokens)?,
        cached_tokens: details.and_then(|details| count(details.cached_tokens)).unwrap_or(0),
        cache_write_tokens: details
            .and_then(|details| count(details.cache_creation_tokens))
            .unwrap_or(0),
        cost_usd: None,
    })
}

/// The status of an answer that was no success.
pub(crate) fn status(error: &genai::Error) -> Option<u16> {
    match error {
        genai::Error::WebModelCall { webc_error, .. }
        | genai::Error::WebAdapterCall { webc_error, .. } => {
            webc_error.status().map(|status| status.as_u16())
        }
        genai::Error::HttpError { status, .. } => Some(status.as_u16()),
        _ => None,
    }
}
