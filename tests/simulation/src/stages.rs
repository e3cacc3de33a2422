//! A miner and a proposer that ask the model and heed what it says.

use futures::FutureExt;
use harness_core::testing::{ScriptedMiner, ScriptedProposer, WorldEdit};
use harness_core::{Fingerprint, Message, Miner, Proposer, Request, Result, StageContext};

use crate::asking::Asking;

/// Asks about each round, then mines by the evidence.
pub(crate) fn miner() -> ScriptedMiner {
    ScriptedMiner::new(|trials, cx| {
        async move {
            for question in ["first", "second"] {
                ask(cx, &format!("mine {} {question}", cx.round())).await?;
            }
            ScriptedMiner::by_evidence().mine(trials, cx).await
        }
        .boxed()
    })
}

/// Lets the answer decide with which edit of the pool to begin.
pub(crate) fn proposer(pool: Vec<WorldEdit>) -> ScriptedProposer<Asking> {
    ScriptedProposer::new(move |brief, cx| {
        let mut pool = pool.clone();
        async move {
            let said = ask(cx, &format!("propose {}", brief.round)).await?;
            let first = Fingerprint::of_bytes(said.as_bytes()).seed() % pool.len().max(1) as u64;
            pool.rotate_left(usize::try_from(first).unwrap_or_default());
            ScriptedProposer::cycling(pool).propose(brief, cx).await
        }
        .boxed()
    })
}

async fn ask(cx: &StageContext, question: &str) -> Result<String> {
    let messages = vec![Message::user(question)];
    Ok(cx.ask(Request { messages, ..Request::default() }).await?.message.content)
}
