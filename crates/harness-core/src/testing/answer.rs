//! How an attempt that nobody made leaves its verdict: in a file that a verifier reads.

use futures::FutureExt;

use super::ScriptedVerifier;
use crate::context::RunContext;
use crate::error::Result;
use crate::sandbox::{File, SandboxPath};
use crate::trial::Outcome;

const PASSED: &str = "passed";

/// Leaves the verdict: a pass, or one objection a line.
pub(super) async fn leave(cx: &RunContext<'_>, objections: Option<&str>) -> Result<()> {
    let text = objections.unwrap_or(PASSED);
    cx.session().write(&path()?, File::plain(text.as_bytes())).await
}

/// Reads the verdict.
pub(super) fn verifier(name: &str) -> ScriptedVerifier {
    ScriptedVerifier::new(name, |_, session| {
        async move {
            let answer = session.read(&path()?).await?;
            let answer = String::from_utf8_lossy(&answer);
            let passed = answer == PASSED;
            let evidence =
                if passed { Vec::new() } else { answer.lines().map(str::to_owned).collect() };
            Ok(Outcome::Scored { reward: f64::from(u8::from(passed)), evidence })
        }
        .boxed()
    })
}

fn path() -> Result<SandboxPath> {
    SandboxPath::new("answer")
}
