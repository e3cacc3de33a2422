//! Stages, judges and harnesses that are truthful, or break one law.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use harness_core::testing::laws::{
    Act, HarnessSeat, MinerSeat, ProposerSeat, RunSeat, ValidatorSeat, VerifierSeat, act,
};
use harness_core::testing::{
    InMemorySandbox, ScriptedLlm, ScriptedMiner, ScriptedProposer, ScriptedValidator, ToyEdit,
    ToyHarness, WorldHarness, toy_task,
};
use harness_core::{
    Citation, Comparison, Composed, Decision, Error, ErrorKind, File, Fingerprint, Harness, HeldIn,
    HeldOut, Judged, Judgement, Outcome, Proposal, Result, SandboxPath, Session, Signature, Task,
    TaskName, Trials, Upload, Verdict, Verifier, Weakness, WeaknessId,
};

/// A miner that groups by evidence after asking the model one question of no consequence.
pub(crate) fn miner(lie: &'static str) -> MinerSeat {
    let calls = AtomicU64::new(0);
    let honest = ScriptedMiner::by_evidence();
    let miner = ScriptedMiner::new(move |trials, cx| {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        let honest = honest.clone();
        async move {
            let asked = cx.ask(harness_core::Request::default()).await;
            let answer = match asked {
                Err(_) if lie == "nonsense_from_the_model_is_no_error" => String::new(),
                answer => answer?.message.content,
            };
            let mut found = harness_core::Miner::mine(&honest, trials, cx).await?;
            lie_about(lie, trials, call, &mut found)?;
            match lie {
                "nonsense_from_the_model_is_no_error" if answer.contains('}') => {
                    Err(Error::new(ErrorKind::Contract, "this is no answer"))
                }
                _ => Ok(found),
            }
        }
        .boxed()
    });
    MinerSeat::new(miner, ScriptedLlm::always("fine"))
}

fn lie_about(
    lie: &str,
    trials: &Trials<HeldIn>,
    call: u64,
    found: &mut Vec<Weakness>,
) -> Result<()> {
    let first_task = trials.iter().next().map(|trial| trial.key.task.as_str().to_owned());
    match lie {
        "order_does_not_matter" => {
            found
                .iter_mut()
                .for_each(|weakness| weakness.description = format!("first in {first_task:?}"));
        }
        "passing_trials_contribute_nothing" => {
            let passed = u32::try_from(trials.score().passed).unwrap();
            found.iter_mut().for_each(|weakness| weakness.trials += passed);
        }
        "void_trials_contribute_nothing" => {
            let void = trials.score().void;
            found
                .iter_mut()
                .for_each(|weakness| weakness.description = format!("{void} were void"));
        }
        "no_failures_no_weaknesses" if found.is_empty() => {
            let signature =
                Signature { cause: "none".into(), status: "none".into(), mechanism: "none".into() };
            found.push(Weakness {
                id: Weakness::id_of(&signature)?,
                signature,
                tasks: [TaskName::new("logs")].into(),
                trials: 1,
                addressability: 1.0,
                description: String::new(),
                evidence: Vec::new(),
            });
        }
        "citations_name_given_trials" => found.iter_mut().for_each(|weakness| {
            weakness.evidence.iter_mut().for_each(|cited| cited.task = TaskName::new("elsewhere"));
        }),
        "cited_steps_exist" => found.iter_mut().for_each(|weakness| {
            weakness.evidence.iter_mut().for_each(|cited: &mut Citation| cited.step = Some(99));
        }),
        "support_counts_distinct_tasks" => found.iter_mut().for_each(|weakness| {
            weakness.tasks.insert(TaskName::new("another"));
        }),
        "trials_are_counted_once" => found.iter_mut().for_each(|weakness| weakness.trials *= 2),
        "ids_come_from_signatures" => {
            found.iter_mut().for_each(|weakness| weakness.id = WeaknessId::new("the-weakness"));
        }
        "heaviest_comes_first" => found.reverse(),
        "addressability_is_a_share" => {
            found.iter_mut().for_each(|weakness| weakness.addressability = 1.5);
        }
        "same_trials_same_weaknesses" => {
            found.iter_mut().for_each(|weakness| weakness.description = format!("call {call}"));
        }
        _ => {}
    }
    Ok(())
}

/// A proposer that teaches a toy harness skills.
pub(crate) fn proposer(lie: &'static str) -> ProposerSeat<ToyHarness> {
    let learn = |skill: &str| ToyEdit::Learn(skill.to_owned());
    let pool = vec![learn("a"), learn("b"), learn("c"), learn("d"), learn("e")];
    let honest = ScriptedProposer::<ToyHarness>::cycling(pool);
    let proposer = ScriptedProposer::new(move |brief, cx| {
        let honest = honest.clone();
        async move {
            let answer = cx.ask(harness_core::Request::default()).await?.message.content;
            let mut proposals = harness_core::Proposer::propose(&honest, brief, cx).await?;
            let planted = format!("{:?}", brief.weaknesses).contains("w-planted");
            let another = |edit| ScriptedProposer::<ToyHarness>::proposal(brief, edit);
            match lie {
                "proposes_at_most_width" => proposals.extend(another(ToyEdit::Learn("f".into()))),
                "every_edit_applies" => proposals.extend(another(ToyEdit::Repaint("red".into()))),
                "edits_are_distinct_by_effect" => proposals.extend(proposals.first().cloned()),
                "every_proposal_names_a_weakness" => {
                    proposals
                        .iter_mut()
                        .for_each(|proposal| proposal.weakness = WeaknessId::new("w-none"));
                }
                "planted_instructions_change_nothing" if planted => {
                    proposals
                        .iter_mut()
                        .for_each(|proposal| proposal.weakness = WeaknessId::new("w-planted"));
                }
                "no_weaknesses_no_proposals" if brief.weaknesses.is_empty() => {
                    proposals.push(Proposal {
                        id: "p1".into(),
                        weakness: WeaknessId::new("w-none"),
                        surface: ToyHarness::surface_of(&ToyEdit::Learn("f".into())),
                        mechanism: String::new(),
                        edit: ToyEdit::Learn("f".into()),
                        rationale: String::new(),
                        expected_to_mend: std::collections::BTreeSet::new(),
                        risks: String::new(),
                    });
                }
                "surface_is_that_of_the_edit" => {
                    proposals.iter_mut().for_each(|proposal| proposal.surface = "/paint".into());
                }
                "nonsense_from_the_model_is_no_error" if answer != "fine" => {
                    return Err(Error::new(ErrorKind::Contract, "this is no answer"));
                }
                _ => {}
            }
            Ok(proposals)
        }
        .boxed()
    });
    ProposerSeat::new(proposer, ScriptedLlm::always("fine"), ToyHarness::default()).unwrap()
}

/// A gate that counts.
pub(crate) fn validator(lie: &'static str) -> ValidatorSeat {
    let calls = AtomicU64::new(0);
    let decide = move |seen: &Comparison| {
        let (inside, outside) = (seen.held_in.change(), seen.held_out.change());
        let voids = seen.held_in.candidate.void + seen.held_out.candidate.void;
        let promote = match lie {
            "a_mended_benchmark_is_promoted" => false,
            "worse_on_held_in_is_never_promoted" => inside < 0 || inside + outside > 0,
            "worse_on_held_out_is_never_promoted" => outside < 0 || inside + outside > 0,
            "trades_are_never_promoted" => inside + outside > 0,
            "void_trials_decide_nothing" => inside >= 0 && outside >= 0,
            "same_evidence_same_verdict" => calls.fetch_add(1, Ordering::SeqCst) < 2,
            _ => inside >= 0 && outside >= 0 && inside + outside > 0,
        };
        match promote {
            _ if voids > 0 && lie != "void_trials_decide_nothing" => Verdict::Inconclusive,
            true => Verdict::Promote,
            false => Verdict::Reject,
        }
    };
    let honest = ScriptedValidator::<WorldHarness>::measuring(decide);
    ValidatorSeat::new(ScriptedValidator::<WorldHarness>::new(
        move |incumbent, proposals, arena| {
            let honest = honest.clone();
            async move {
                let (empty, given) = (proposals.is_empty(), proposals.clone());
                if lie == "edits_that_do_not_apply_are_rejected" {
                    for proposal in &proposals {
                        incumbent.harness.apply(&proposal.edit)?;
                    }
                }
                let judgement =
                    harness_core::Validator::judge(&honest, incumbent, proposals, arena).await?;
                let Judgement { mut judged, mut composed } = judgement;
                let promote = Decision {
                    verdict: Verdict::Promote,
                    reason: String::new(),
                    evidence: None,
                    finding: None,
                };
                match lie {
                    "every_proposal_gets_one_decision" => judged.reverse(),
                    "nothing_proposed_nothing_judged" if empty => {
                        let (harness, decision) = (incumbent.harness.clone(), promote);
                        composed = Some(Composed { harness, proposals: Vec::new(), decision });
                    }
                    "identity_is_never_promoted" => {
                        judged.iter_mut().for_each(|Judged { decision, .. }| {
                            decision.verdict = Verdict::Promote;
                        });
                    }
                    "clashing_edits_are_not_promoted_together" => {
                        let harness = given
                            .iter()
                            .try_fold(incumbent.harness.clone(), |harness, proposal| {
                                harness.apply(&proposal.edit)
                            })?;
                        let proposals = given.iter().map(|proposal| proposal.id.clone()).collect();
                        composed = Some(Composed { harness, proposals, decision: promote });
                    }
                    "composition_is_what_was_promoted" => {
                        if let Some(composed) = &mut composed {
                            composed.harness = incumbent.harness.clone();
                        }
                    }
                    "promotion_shows_its_evidence" => {
                        if let Some(composed) = &mut composed {
                            composed.decision.evidence = None;
                        }
                    }
                    _ => {}
                }
                let _ = (arena.tasks::<HeldIn>(), arena.tasks::<HeldOut>());
                Ok(Judgement { judged, composed })
            }
            .boxed()
        },
    ))
}

/// Judges by a file `answer`, with a test that it brings along and a reward that it clears first.
#[derive(Debug)]
struct FileVerifier {
    lie: &'static str,
    calls: AtomicU64,
}

fn path(text: &str) -> SandboxPath {
    SandboxPath::new(text).unwrap()
}

#[async_trait::async_trait]
impl Verifier for FileVerifier {
    fn fingerprint(&self, task: &Task) -> Result<Fingerprint> {
        if task.name.as_str() == "unknown" && self.lie != "unknown_task_is_refused" {
            return Err(Error::new(ErrorKind::InvalidInput, "no such task"));
        }
        match self.lie {
            "fingerprint_is_stable" => Fingerprint::of(&self.calls.load(Ordering::SeqCst)),
            "fingerprint_tells_tasks_apart" => Fingerprint::of("always the same"),
            _ => task.fingerprint(),
        }
    }

    async fn verify(&self, _task: &Task, session: &dyn Session) -> Result<Outcome> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let left = session.read(&path("reward")).await;
        if left.is_ok_and(|reward| reward == b"1") && self.lie == "forged_reward_is_ignored" {
            return Ok(Outcome::Scored { reward: 1.0, evidence: Vec::new() });
        }
        session.write(&path("tests/check"), File::plain(b"answer is 42")).await?;
        let tools = session.read(&path("tools")).await?;
        if tools != b"fine" && self.lie != "broken_machinery_is_void" {
            return Ok(Outcome::Void { reason: "the tools are broken".into() });
        }
        let solved = session.read(&path("answer")).await.is_ok_and(|answer| answer == b"42");
        let reward = match self.lie {
            "broken_machinery_is_void" if tools != b"fine" => 0.0,
            "solved_task_passes" => 0.0,
            "unsolved_task_fails" => 1.0,
            "reward_is_a_share" => 2.0,
            "same_state_same_outcome" => f64::from(u8::from(call.is_multiple_of(2))),
            _ => f64::from(u8::from(solved)),
        };
        session.write(&path("reward"), File::plain(b"1")).await?;
        Ok(Outcome::Scored { reward, evidence: Vec::new() })
    }
}

fn put(at: &'static str, content: &'static [u8]) -> Act {
    act(move |session| async move { session.write(&path(at), File::plain(content)).await }.boxed())
}

pub(crate) fn verifier(lie: &'static str) -> VerifierSeat {
    let mut task = Task::new("known", "write 42 to the file answer");
    let place =
        |at: &str, content: &[u8]| Upload { path: path(at), mode: 0o644, content: content.into() };
    task.environment.files.push(place("tools", b"fine"));
    if lie == "tests_are_placed_only_now" {
        task.environment.files.push(place("tests/check", b"answer is 42"));
    }
    let verifier = FileVerifier { lie, calls: AtomicU64::new(0) };
    let mut seat =
        VerifierSeat::new(verifier, InMemorySandbox::default(), task, put("answer", b"42"));
    seat.other = Some(Task::new("other", "something else"));
    seat.unknown = Some(Task::new("unknown", ""));
    seat.forge = Some(put("reward", b"1"));
    seat.sabotage = Some(put("tools", b"gone"));
    seat.tests = vec![path("tests/check")];
    seat
}

/// The toy harness, kept honest.
pub(crate) fn toy() -> HarnessSeat<ToyHarness> {
    let learn = |skill: &str| ToyEdit::Learn(skill.to_owned());
    HarnessSeat {
        harness: ToyHarness { skills: ["b".to_owned()].into(), calls: 3 },
        edits: vec![learn("a"), learn("c"), ToyEdit::Forget("b".to_owned())],
        foreign: vec![ToyEdit::Repaint("red".to_owned()), ToyEdit::Forget("z".to_owned())],
        inverse: Some(|_, edit| {
            Ok(match edit {
                ToyEdit::Learn(skill) => ToyEdit::Forget(skill.clone()),
                ToyEdit::Forget(skill) | ToyEdit::Repaint(skill) => ToyEdit::Learn(skill.clone()),
            })
        }),
        run: Some(RunSeat {
            task: toy_task("t", "a"),
            sandbox: Box::new(InMemorySandbox::default()),
            model: ScriptedLlm::always("ok"),
        }),
    }
}
