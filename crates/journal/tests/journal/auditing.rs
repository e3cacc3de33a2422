//! An audit derives everything anew, and finds whatever does not follow.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use harness_core::testing::{
    ManualClock, ScriptedProposer, ScriptedValidator, World, WorldEdit, WorldHarness, WorldTask,
};
use harness_core::{CallId, EngineConfig, ErrorKind, Pruning, Record, Verdict};
use harness_journal::{SqliteJournal, audit};
use rusqlite::Connection;

use crate::records::{read, write};
use crate::toy;

/// A change to a record that the chain does not show, because it was made before it was hashed.
type Lie = fn(&mut Record);

/// A whole run in a directory of its own.
fn run() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    clock.block_on(async {
        toy::engine(directory.path(), clock.clone()).await.unwrap().run().await.unwrap();
    });
    directory
}

/// The same records once more, but for what `change` does to them: a journal whose chain is whole and which lies.
fn retold(directory: &Path, change: impl Fn(&mut Record)) -> tempfile::TempDir {
    let mut records = read(directory).unwrap();
    records.iter_mut().for_each(change);
    let retold = tempfile::tempdir().unwrap();
    write(retold.path(), &records);
    retold
}

#[test]
fn a_sound_journal_holds_and_shows_what_speaks_for_each_edit() {
    let directory = run();
    let found = block_on(audit(directory.path())).unwrap();
    assert_eq!(found.discrepancies, Vec::<String>::new());
    assert_eq!(found.records, read(directory.path()).unwrap().len() as u64);
    let [edit] = &found.lineage[..] else { panic!("{:?}", found.lineage) };
    assert_eq!((edit.round, edit.surface.as_str()), (2, "/skills"));
    assert!(edit.weakness.is_some() && !edit.shown_by.is_empty());
    let evidence = edit.decision.as_ref().unwrap().evidence.as_ref().unwrap();
    assert!(!evidence.trials.is_empty());
    assert_eq!(found.spent.calls, found.scored, "one call a trial");
}

#[test]
fn a_journal_of_a_pruned_run_holds_and_an_edit_that_a_pruning_invents_is_found() {
    let world = World::uniform(20, |_, index| match index {
        0..8 => WorldTask::new("", 0.0).moved_by("a", 1.0),
        _ => WorldTask::new("", 1.0),
    });
    let config = EngineConfig { rounds: 2, width: 1, attempts: 1, ..world.config() };
    let edits = ["idle", "a"].map(|lever| WorldEdit::new(lever, 1.0)).to_vec();
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let builder = world.engine(WorldHarness::default()).unwrap().config(config);
        let builder = builder
            .proposer(ScriptedProposer::cycling(edits))
            .validator(ScriptedValidator::measuring(|_| Verdict::Promote))
            .journal(SqliteJournal::open(directory.path()).unwrap())
            .pruning(Pruning::default());
        let report = builder.build().await.unwrap().run().await.unwrap();
        assert!(report.rounds.last().unwrap().is_pruning());
    });
    let found = block_on(audit(directory.path())).unwrap();
    assert_eq!(found.discrepancies, Vec::<String>::new());
    assert_eq!(found.lineage.len(), 2, "what was promoted stays in the history");
    let lied = retold(directory.path(), |record| {
        if let Record::Round { report, promotion: Some(promotion) } = record
            && report.is_pruning()
        {
            promotion.edits[0].proposal = "r9-p9".into();
        }
    });
    let found = block_on(audit(lied.path())).unwrap().discrepancies.join("; ");
    assert!(found.contains("r9-p9 stays in a pruning and was never promoted"), "{found}");
}

#[test]
fn journals_of_every_version_hold() {
    for version in ["v1", "v2"] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version);
        let directory = tempfile::tempdir().unwrap();
        for name in [SqliteJournal::FILE, "journal.tip"] {
            fs::copy(fixture.join(name), directory.path().join(name)).unwrap();
        }
        let found = block_on(audit(directory.path())).unwrap();
        assert_eq!(found.discrepancies, Vec::<String>::new(), "{version}");
        assert!(found.spent.calls > 0, "{version}");
    }
}

#[test]
fn a_total_that_the_trials_do_not_give_is_found() {
    let directory = run();
    let lies: [(&str, Lie); 4] = [
        ("says of held-in", |record| {
            if let Record::Round { report, .. } = record {
                report.assessed.held_in.passed += 1;
            }
        }),
        ("its calls say", |record| {
            if let Record::TrialFinished { trial } = record {
                let mut cheaper = trial.as_ref().clone();
                cheaper.spent.prompt_tokens -= 1;
                *trial = Arc::new(cheaper);
            }
        }),
        ("the claim says", |record| {
            if let Record::Claimed { claim } = record {
                claim.after.passed += 1;
            }
        }),
        ("counts", |record| {
            if let Record::Round { report, .. } = record {
                for judged in &mut report.judged {
                    judged
                        .decision
                        .evidence
                        .iter_mut()
                        .for_each(|seen| seen.held_out.candidate.passed += 9);
                }
            }
        }),
    ];
    for (complaint, lie) in lies {
        let lying = retold(directory.path(), lie);
        let found = block_on(audit(lying.path())).unwrap();
        assert!(
            found.discrepancies.iter().any(|said| said.contains(complaint)),
            "{complaint}: {:?}",
            found.discrepancies
        );
    }
}

/// Renumbers a call.
fn renumber(record: &mut Record, new: impl Fn(u64) -> u64) {
    match record {
        Record::CallStarted { intent } => intent.id = CallId(new(intent.id.0)),
        Record::CallSettled { call, .. } => *call = CallId(new(call.0)),
        _ => {}
    }
}

/// Two calls that begin at the same moment on two threads: numbered in one order, written down in the other.
#[test]
fn calls_that_were_written_down_in_another_order_than_numbered_hold() {
    let directory = run();
    let exchanged = retold(directory.path(), |record| {
        renumber(record, |number| match number {
            1 => 2,
            2 => 1,
            number => number,
        });
    });
    let found = block_on(audit(exchanged.path())).unwrap();
    assert_eq!(found.discrepancies, Vec::<String>::new());
}

#[test]
fn a_table_that_does_not_follow_from_the_records_is_found() {
    let directory = run();
    let file = directory.path().join(SqliteJournal::FILE);
    let connection = Connection::open(&file).unwrap();
    connection
        .execute("UPDATE outcome SET outcome = 'passed' WHERE outcome = 'failed'", [])
        .unwrap();
    drop(connection);
    let found = block_on(audit(directory.path())).unwrap();
    assert!(
        found.discrepancies[0].contains("the table outcome differs"),
        "{:?}",
        found.discrepancies
    );
}

#[test]
fn a_flipped_byte_of_a_record_stops_the_audit_and_is_named() {
    let directory = run();
    let file = directory.path().join(SqliteJournal::FILE);
    let bytes = fs::read(&file).unwrap();
    let wanted = b"\"held_out\"";
    let places = (0..bytes.len() - wanted.len()).filter(|at| bytes[*at..].starts_with(wanted));
    let mut found = 0;
    for at in places.step_by(7) {
        let mut altered = bytes.clone();
        altered[at + 1] ^= 1;
        fs::write(&file, altered).unwrap();
        match block_on(audit(directory.path())) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Journal, "{error}");
                found += 1;
            }
            Ok(audit) => found += usize::from(!audit.discrepancies.is_empty()),
        }
    }
    assert!(found > 0);
}
