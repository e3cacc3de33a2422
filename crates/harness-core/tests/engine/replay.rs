//! A recorded run can be judged again, from its journal alone.

use futures::FutureExt;
use futures::executor::block_on;
use harness_core::testing::{ScriptedValidator, ToyHarness};
use harness_core::{
    Decision, ErrorKind, HeldIn, Judged, Judgement, MemoryJournal, Replay, Replayed, Verdict,
};

use crate::setting::{Setting, benchmark};

fn replay(setting: &Setting) -> Replay<ToyHarness> {
    block_on(Replay::read(&*setting.journal)).unwrap()
}

#[test]
fn the_runs_own_gate_says_again_what_is_recorded() {
    let setting = Setting::default();
    setting.run().unwrap();
    let replay = replay(&setting).with_benchmark(benchmark());
    let rounds = block_on(replay.judge(&ScriptedValidator::counting())).unwrap();
    assert_eq!(rounds.len(), 3);
    for round in &rounds {
        assert!(round.agrees(), "{round:#?}");
        for judged in &round.judged {
            assert_eq!(judged.replayed, Replayed::Decided(judged.recorded.clone()));
        }
    }
}

#[test]
fn another_gate_is_asked_on_the_same_trials() {
    let setting = Setting::default();
    setting.run().unwrap();
    let never = ScriptedValidator::measuring(|_| Verdict::Reject);
    let rounds = block_on(replay(&setting).judge(&never)).unwrap();
    assert!(rounds[0].agrees() && !rounds[1].agrees() && rounds[2].agrees());
    assert_eq!(rounds[1].promoted.len(), 2);
    assert_eq!(rounds[1].would_promote, Some(Vec::new()));
}

/// Wants more of the incumbent than any run had, for the second proposal only.
fn greedy() -> ScriptedValidator<ToyHarness> {
    ScriptedValidator::new(|incumbent, proposals, arena| {
        async move {
            let mut judged = Vec::new();
            for proposal in proposals {
                if proposal.id.as_str().ends_with("p2") {
                    let tasks = arena.tasks::<HeldIn>().to_vec();
                    arena.trials::<HeldIn>(incumbent.harness, &tasks, 0..5).await?;
                }
                judged.push(Judged { proposal, decision: Decision::refuse("I saw enough") });
            }
            Ok(Judgement { judged, composed: None })
        }
        .boxed()
    })
}

#[test]
fn where_the_trials_do_not_suffice_it_says_how_many_are_missing() {
    let setting = Setting::default();
    setting.run().unwrap();
    let rounds = block_on(replay(&setting).judge(&greedy())).unwrap();
    assert_eq!(rounds[0].would_promote, None);
    let [first, second] = &rounds[0].judged[..] else { panic!("two proposals") };
    assert!(
        matches!(first.replayed, Replayed::Decided(_)),
        "what one lacks does not keep the other from a verdict"
    );
    let Replayed::Short(missing) = &second.replayed else { panic!("{second:#?}") };
    assert_eq!((missing.len(), missing[0].trials, missing[0].of_incumbent), (1, 15, true));
}

#[test]
fn a_journal_without_a_round_is_refused() {
    let refused = block_on(Replay::<ToyHarness>::read(&MemoryJournal::default())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Journal);
    assert!(refused.message().contains("no finished round"), "{refused}");
}
