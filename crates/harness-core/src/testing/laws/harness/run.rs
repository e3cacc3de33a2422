//! The laws about runs.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;

use super::{HarnessSeat, RunSeat};
use crate::context::{RunContext, TrialLimits};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::id::ModelId;
use crate::llm::{Completion, LlmBackend, Request};
use crate::sandbox::Session;
use crate::testing::ScriptedLlm;
use crate::testing::laws::{LawResult, Unkept, dropped_after, ensure, promptly, skipped};
use crate::trial::Finish;

async fn open(run: &RunSeat) -> Result<Box<dyn Session>, Unkept> {
    let session = run.sandbox.open(&run.task.environment).await?;
    run.task.environment.prepare(&*session).await?;
    Ok(session)
}

/// Every call reaches the model through the context, where it is counted.
pub async fn run_asks_only_through_the_context<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let run = seat.run()?;
    let session = open(run).await?;
    let cx = RunContext::alone(Arc::new(run.model.clone()), &*session, TrialLimits::default());
    let before = run.model.requests().len();
    promptly("the run", seat.harness.run(&run.task, &cx)).await??;
    let made = run.model.requests().len() - before;
    let counted = (TrialLimits::default().steps - cx.steps_left()) as usize;
    ensure!(made == counted, "{made} calls reached the model, {counted} went through the context");
    session.close().await?;
    Ok(())
}

/// Answers once as the seat's model does, then never again.
#[derive(Debug)]
struct Faltering(ScriptedLlm, usize);

#[async_trait]
impl LlmBackend for Faltering {
    fn model(&self) -> &ModelId {
        self.0.model()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        if self.0.requests().len() > self.1 {
            return futures::future::pending().await;
        }
        self.0.complete(request).await
    }
}

/// What has happened is on record when the run is dropped in the middle: nothing waits for the end.
pub async fn run_records_as_it_goes<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let run = seat.run()?;
    let session = open(run).await?;
    let model = Faltering(run.model.clone(), run.model.requests().len());
    let cx = RunContext::alone(Arc::new(model), &*session, TrialLimits::default());
    let before = run.model.requests().len();
    let ended = dropped_after(200, seat.harness.run(&run.task, &cx)).await;
    if ended.is_some() || run.model.requests().len() == before {
        return skipped("this model's attempt takes no second call");
    }
    let recorded = cx.trajectory().agent_steps().count();
    ensure!(recorded > 0, "the model answered once, and no step of it is on record");
    session.close().await?;
    Ok(())
}

/// Dropped after any number of polls, a run leaves a record whose steps are numbered 1, 2, 3, …, and no panic.
pub async fn run_may_be_dropped_anywhere<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let run = seat.run()?;
    for polls in 1..=8 {
        let session = open(run).await?;
        let cx = RunContext::alone(
            Arc::new(Yielding(run.model.clone())),
            &*session,
            TrialLimits::default(),
        );
        let work =
            std::panic::AssertUnwindSafe(dropped_after(polls, seat.harness.run(&run.task, &cx)));
        ensure!(work.catch_unwind().await.is_ok(), "dropped after {polls} polls it panicked");
        let steps = cx.trajectory().steps;
        let numbered = steps.iter().zip(1..).all(|(step, number)| step.step_id == number);
        ensure!(numbered, "dropped after {polls} polls its steps are not numbered from 1");
        session.close().await?;
    }
    Ok(())
}

/// A model that takes a moment: every call is pending once.
#[derive(Debug)]
struct Yielding(ScriptedLlm);

#[async_trait]
impl LlmBackend for Yielding {
    fn model(&self) -> &ModelId {
        self.0.model()
    }

    async fn complete(&self, request: Request) -> Result<Completion> {
        futures_timer::Delay::new(std::time::Duration::from_millis(1)).await;
        self.0.complete(request).await
    }
}

/// With a single call allowed, a run ends by itself or lets [`ErrorKind::TrialLimit`] through; it makes no other error of it.
pub async fn limit_is_let_through<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let run = seat.run()?;
    let session = open(run).await?;
    let limits = TrialLimits { steps: 1, ..TrialLimits::default() };
    let cx = RunContext::alone(Arc::new(run.model.clone()), &*session, limits);
    let result = promptly("the run", seat.harness.run(&run.task, &cx)).await?;
    fine(&result, "at its limit")?;
    session.close().await?;
    Ok(())
}

/// A model that is of no use makes an attempt that fails, not an error.
pub async fn failing_is_no_error<H: Harness>(seat: &HarnessSeat<H>) -> LawResult {
    let run = seat.run()?;
    for answer in ["", "I do not know.", "\u{0}{{{"] {
        let session = open(run).await?;
        let limits = TrialLimits { steps: 20, ..TrialLimits::default() };
        let cx = RunContext::alone(Arc::new(ScriptedLlm::always(answer)), &*session, limits);
        let result = promptly("the run", seat.harness.run(&run.task, &cx)).await?;
        fine(&result, &format!("with a model that only says {answer:?}"))?;
        session.close().await?;
    }
    Ok(())
}

fn fine(result: &Result<Finish>, when: &str) -> LawResult {
    let kind = result.as_ref().err().map(Error::kind);
    ensure!(kind.is_none_or(|kind| kind == ErrorKind::TrialLimit), "{when} it gave {result:?}");
    Ok(())
}
