//! Refusals that need no trial.

use harness_core::{Decision, ErrorKind, Fingerprint, Harness, Proposal, ProposalId, Result};

/// A proposal after the static guards.
#[derive(Debug)]
pub(crate) enum Admission<H> {
    /// It may be tried: the incumbent with its edit.
    Candidate(H),
    /// It is refused, with the reason.
    Refused(Box<Decision>),
}

/// Applies every proposal's edit to the incumbent and refuses what does not apply, what changes nothing, and what has
/// the effect of an earlier proposal of the round.
///
/// # Errors
/// A harness that breaks its contract (no fingerprint); an edit that does not apply is a refusal.
pub(crate) fn admit<H: Harness>(
    incumbent: &H,
    proposals: &[Proposal<H::Edit>],
) -> Result<Vec<Admission<H>>> {
    let mut effects = vec![(incumbent.fingerprint()?, None)];
    proposals.iter().map(|proposal| admit_one(incumbent, proposal, &mut effects)).collect()
}

/// Harnesses that need no trial any more: the incumbent, and those of earlier proposals.
type Effects = Vec<(Fingerprint, Option<ProposalId>)>;

fn admit_one<H: Harness>(
    incumbent: &H,
    proposal: &Proposal<H::Edit>,
    effects: &mut Effects,
) -> Result<Admission<H>> {
    let candidate = match incumbent.apply(&proposal.edit) {
        Ok(candidate) => candidate,
        Err(error) if error.kind() == ErrorKind::Contract => {
            return Err(error.while_doing(format!("applying {}", proposal.id)));
        }
        Err(error) => {
            return Ok(refuse(format!("the edit does not apply: {}", error.report())));
        }
    };
    let effect = candidate.fingerprint()?;
    match effects.iter().find(|(known, _)| *known == effect) {
        Some((_, None)) => Ok(refuse("the edit changes nothing".to_owned())),
        Some((_, Some(first))) => {
            Ok(refuse(format!("the edit has the same effect as that of {first}")))
        }
        None => {
            effects.push((effect, Some(proposal.id.clone())));
            Ok(Admission::Candidate(candidate))
        }
    }
}

fn refuse<H>(reason: String) -> Admission<H> {
    Admission::Refused(Box::new(Decision::refuse(reason)))
}
