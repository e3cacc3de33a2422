//! Which tasks show the weakness that a proposal targets: on held-in as mined, on held-out by the validator's own reading.

use std::collections::BTreeSet;

use harness_core::{
    Arena, ErrorKind, Harness, Incumbent, Proposal, Result, Shown, SignatureReader, TaskName,
    Weakness,
};

/// The signatures that the incumbent's held-out failures show. It lives in the validator alone: miner and proposer have been by then,
/// and nothing of it is in what later rounds tell them.
#[derive(Debug, Default)]
pub(crate) struct Reading(Shown);

impl Reading {
    /// Asks the reader, where the arena lets the judge ask.
    pub(crate) async fn of<H: Harness>(
        reader: &dyn SignatureReader,
        incumbent: &Incumbent<'_, H>,
        arena: &Arena<H>,
    ) -> Result<Self> {
        let Some(cx) = arena.stage() else { return Ok(Self::default()) };
        let read = reader.read(incumbent.held_out, cx).await;
        match read {
            // The recorded run read nothing: neither does its replay.
            Err(error) if cx.is_on_record() && error.kind() == ErrorKind::Journal => {
                Ok(Self::default())
            }
            read => read.map(Self).map_err(|error| error.while_doing("reading held-out failures")),
        }
    }

    /// The tasks of both splits that show a weakness which one of the proposals targets.
    pub(crate) fn target<E>(
        &self,
        weaknesses: &[Weakness],
        proposals: &[&Proposal<E>],
    ) -> BTreeSet<TaskName> {
        let targeted = || {
            weaknesses.iter().filter(|weakness| {
                proposals.iter().any(|proposal| proposal.weakness == weakness.id)
            })
        };
        let mined = targeted().flat_map(|weakness| weakness.tasks.iter());
        let read = self.0.iter().filter(|(_, signatures)| {
            targeted().any(|weakness| signatures.contains(&weakness.signature))
        });
        mined.chain(read.map(|(task, _)| task)).cloned().collect()
    }
}
