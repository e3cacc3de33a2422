//! What a journal says of trials and calls.

use std::collections::HashSet;
use std::path::Path;

use futures::TryStreamExt;
use futures::executor::block_on;
use harness_core::{Journal, Record, Result};
use harness_journal::SqliteJournal;

/// Every record of the run in `home`, read without its lock.
pub(crate) fn records(home: &Path) -> Result<Vec<Record>> {
    block_on(async { SqliteJournal::read(home.join("s"))?.scan().await?.try_collect().await })
}

/// No trial that was scored is begun, run or recorded again, and no answered question of a stage is asked again.
pub(crate) fn check_nothing_was_done_twice(home: &Path) {
    let (mut finished, mut answered) = (HashSet::new(), HashSet::new());
    for record in records(home).unwrap() {
        match record {
            Record::TrialStarted { id, key, .. } => {
                assert!(!finished.contains(&id), "{} was begun again", key.task);
            }
            Record::TrialFinished { trial } => {
                let id = trial.id().unwrap();
                let again = trial.passed().is_some() && !finished.insert(id);
                assert!(!again, "{} was recorded twice", trial.key.task);
            }
            Record::Consulted { consultation } => {
                let question = (
                    consultation.round,
                    consultation.stage,
                    consultation.request,
                    consultation.ordinal,
                );
                assert!(answered.insert(question), "a stage asked again what was on record");
            }
            _ => {}
        }
    }
    assert!(!finished.is_empty());
}
