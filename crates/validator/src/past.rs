//! What the run has decided so far, with what it teaches worked out once.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::docket::PastDecision;
use crate::gate::Learnt;

/// The run's decisions, oldest first. A clone shares them, and what was learnt from them: a gate asks for its priors at each
/// step, and in a long run they are made of thousands of decisions that do not change meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Past(Arc<Memory>);

#[derive(Debug, Default)]
struct Memory {
    decisions: Vec<PastDecision>,
    /// What was learnt, with the start and the weight that it was learnt from.
    learnt: OnceLock<(Learnt, f64, Learnt)>,
}

impl Past {
    /// What a gate expects of the next edit ([`Learnt::of`]). Worked out once for the first start and weight that are asked for; another
    /// gate's are worked out each time.
    pub fn learnt(&self, start: &Learnt, weight: f64) -> Learnt {
        let afresh = || Learnt::of(start, weight, &self.0.decisions);
        let (known_start, known_weight, learnt) =
            self.0.learnt.get_or_init(|| (*start, weight, afresh()));
        let same = known_start == start && known_weight.to_bits() == weight.to_bits();
        if same { *learnt } else { afresh() }
    }
}

impl Deref for Past {
    type Target = [PastDecision];

    fn deref(&self) -> &[PastDecision] {
        &self.0.decisions
    }
}

impl From<Vec<PastDecision>> for Past {
    fn from(decisions: Vec<PastDecision>) -> Self {
        Self(Arc::new(Memory { decisions, learnt: OnceLock::new() }))
    }
}

impl PartialEq for Past {
    fn eq(&self, other: &Self) -> bool {
        self.0.decisions == other.0.decisions
    }
}

impl Serialize for Past {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.decisions.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Past {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|decisions: Vec<PastDecision>| decisions.into())
    }
}

#[cfg(test)]
mod tests {
    use harness_core::{Decision, Estimate, Finding, Verdict};
    use proptest::prelude::*;

    use super::*;
    use crate::gate::SequentialGate;

    fn past(effects: &[(f64, bool)]) -> Vec<PastDecision> {
        let decision = |&(mean, aimed): &(f64, bool)| {
            let estimate = Some(Estimate { mean, variance: 0.01, null_variance: 0.01 });
            let finding = Finding {
                edits: 1,
                target: estimate.filter(|_| aimed),
                elsewhere: estimate,
                ..Finding::default()
            };
            let mut decision = Decision::refuse(String::new());
            decision.verdict = Verdict::Reject;
            decision.finding = Some(Box::new(finding));
            PastDecision { round: 1, decision }
        };
        effects.iter().map(decision).collect()
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_would_be_learnt_afresh(
            effects in prop::collection::vec((-1.0f64..1.0, any::<bool>()), 0..20),
            weights in prop::collection::vec(1.0f64..90.0, 1..4),
        ) {
            let decisions = past(&effects);
            let remembered = Past::from(decisions.clone());
            let start = SequentialGate::default().start;
            for weight in weights.iter().chain(&weights) {
                prop_assert_eq!(
                    remembered.clone().learnt(&start, *weight),
                    Learnt::of(&start, *weight, &decisions)
                );
            }
        }

        #[test]
        fn a_past_is_its_decisions(effects in prop::collection::vec((-1.0f64..1.0, any::<bool>()), 0..6)) {
            let whole = Past::from(past(&effects));
            whole.learnt(&SequentialGate::default().start, 1.0);
            let json = serde_json::to_value(&whole).expect("it has a JSON form");
            let again: Past = serde_json::from_value(json).expect("and is read from it");
            prop_assert_eq!(again.len(), effects.len());
            prop_assert!(Past::from(past(&effects)) == whole);
        }
    }
}
