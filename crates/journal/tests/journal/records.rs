//! Records of every kind, arbitrary ones and plain ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use futures::{StreamExt, TryStreamExt};
use harness_core::{
    Completion, Consultation, Decision, Fingerprint, Finish, Isolation, IsolationLevel, Journal,
    Judged, ModelId, Outcome, Phase, Proposal, Record, Replicate, Result, RoundReport, RunIdentity,
    Signature, Spent, SplitName, Step, StepSource, Trajectory, Trial, TrialKey, Verdict, Weakness,
};
use harness_journal::SqliteJournal;
use proptest::prelude::*;
use serde_json::{Value, json};

/// All records of a directory's journal, read without a lock.
pub(crate) fn read(directory: &Path) -> Result<Vec<Record>> {
    block_on(async { SqliteJournal::read(directory)?.scan().await?.try_collect().await })
}

/// What a scan shows before it ends, errors included.
pub(crate) fn read_each(directory: &Path) -> Vec<Result<Record>> {
    let scan = block_on(async { SqliteJournal::read(directory)?.scan().await });
    scan.map_or_else(|error| vec![Err(error)], |records| block_on(records.collect()))
}

/// Appends in order and closes.
pub(crate) fn write(directory: &Path, records: &[Record]) {
    let journal = SqliteJournal::open(directory).unwrap();
    for record in records {
        block_on(journal.append(record)).unwrap();
    }
}

/// A small record that can be told from others.
pub(crate) fn numbered(number: u64) -> Record {
    Record::Opened { identity: RunIdentity::default().with("number", number) }
}

pub(crate) fn digest(text: &str) -> Fingerprint {
    Fingerprint::of_bytes(text.as_bytes())
}

pub(crate) fn key(task: &str, attempt: u32) -> TrialKey {
    TrialKey {
        harness: digest("harness"),
        task: task.into(),
        task_fingerprint: digest(task),
        model: ModelId::new("simulated", "hasty"),
        limits: digest("limits"),
        verifier: digest("verifier"),
        isolation: digest("isolation"),
        replicate: Replicate { seed: 7, round: 1, phase: Phase::Assess, attempt },
    }
}

pub(crate) fn trial(key: TrialKey, outcome: Outcome, spent: Spent) -> Trial {
    let step = Step {
        step_id: 1,
        source: StepSource::Agent,
        message: "I look around.".to_owned(),
        reasoning: None,
        tool_calls: Vec::new(),
        observations: Vec::new(),
        usage: None,
        elapsed: Duration::from_millis(1500),
    };
    Trial {
        key,
        split: SplitName::HeldIn,
        outcome,
        finish: Finish::Done,
        trajectory: Trajectory { steps: vec![step] },
        activations: BTreeMap::new(),
        spent,
        elapsed: Duration::from_millis(2500),
        isolation: Isolation {
            backend: "namespace".to_owned(),
            level: IsolationLevel::User,
            residual: Vec::new(),
        },
        void_attempts: 0,
    }
}

pub(crate) fn judged(id: &str, verdict: Verdict) -> Judged<Value> {
    let proposal = Proposal {
        id: harness_core::ProposalId::new(id),
        weakness: harness_core::WeaknessId::new("w-1"),
        surface: harness_core::SurfaceId::new("/verification"),
        mechanism: "check before finish".to_owned(),
        edit: json!({"replace": {"value": "look twice"}}),
        rationale: "it finished over a failing check".to_owned(),
        expected_to_mend: BTreeSet::new(),
        risks: String::new(),
    };
    Judged {
        proposal,
        decision: Decision { verdict, reason: "because".to_owned(), evidence: None, finding: None },
    }
}

pub(crate) fn round(number: u32, judged: Vec<Judged<Value>>) -> Record {
    let score = harness_core::Score { passed: 3, scored: 5, void: 1 };
    let report = RoundReport {
        ablations: Vec::new(),
        round: number,
        incumbent: digest("before"),
        tip: digest("after"),
        assessed: harness_core::Assessed { held_in: score, held_out: score },
        weaknesses: vec![weakness(0.5)],
        judged,
        promoted: Vec::new(),
        composition: None,
        drift: Vec::new(),
    };
    Record::Round { report: Box::new(report), promotion: None }
}

pub(crate) fn weakness(addressability: f64) -> Weakness {
    let signature = Signature {
        cause: "missing artifact".to_owned(),
        status: "direct".to_owned(),
        mechanism: "explores until time runs out".to_owned(),
    };
    Weakness {
        id: Weakness::id_of(&signature).unwrap(),
        signature,
        tasks: BTreeSet::from(["top-talkers".into()]),
        trials: 2,
        addressability,
        description: "It never writes the file.".to_owned(),
        evidence: Vec::new(),
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        finite().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("records hold finite numbers", |number| number.is_finite())
}

/// Any record, with the texts and numbers that are hard to keep.
pub(crate) fn any_record() -> impl Strategy<Value = Record> {
    let text = ".{0,20}";
    prop_oneof![
        (text, text).prop_map(|(key, value)| Record::Opened {
            identity: RunIdentity::default().with(key, value)
        }),
        json_value().prop_map(|document| Record::Harness {
            fingerprint: Fingerprint::of(&document).unwrap(),
            document
        }),
        (text, any::<u32>()).prop_map(|(task, attempt)| {
            let key = key(&task, attempt);
            Record::TrialStarted { id: key.id().unwrap(), key, elapsed: Duration::from_millis(7) }
        }),
        (text, 0.0..=1.0, finite(), text).prop_map(|(task, reward, known_usd, said)| {
            let outcome = Outcome::Scored { reward, evidence: vec![said] };
            let trial = trial(key(&task, 0), outcome, Spent { known_usd, ..Spent::default() });
            Record::TrialFinished { trial: Arc::new(trial) }
        }),
        (1_u32..5, text, text).prop_map(|(round, stage, said)| Record::Consulted {
            consultation: Consultation {
                round,
                stage,
                request: digest(&said),
                ordinal: 0,
                completion: Completion::text(said),
            }
        }),
        (1_u32..5, finite()).prop_map(|(round, weight)| Record::Mined {
            round,
            weaknesses: vec![weakness(weight)]
        }),
        (1_u32..5, json_value()).prop_map(|(number, edit)| {
            let mut judged = judged("r1-p1", Verdict::Reject);
            judged.proposal.edit = edit;
            round(number, vec![judged])
        }),
    ]
}
