//! What every journal keeps.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::future::join_all;

use super::{LawResult, broken, dropped_after, ensure, laws_of, promptly, samples, skipped};
use crate::call::{CallId, Settlement};
use crate::error::{ErrorKind, Result};
use crate::id::Fingerprint;
use crate::journal::{Consultation, Journal, Record, RunIdentity};
use crate::llm::Completion;
use crate::trial::Outcome;

laws_of! { $
    /// Expands every law of [`Journal`](crate::Journal) to a test of its own, in a module of the given name: `journal_laws!(name, block_on,
    /// factory)`, where `factory` gives a [`Fixture`](crate::testing::Fixture) of a [`JournalPlace`](crate::testing::laws::JournalPlace).
    journal_laws => journal [dyn JournalPlace];
    new_journal_is_empty records_come_back_in_order every_kind_of_record_round_trips large_record_round_trips
    outline_leaves_out_steps_only trial_is_found_by_identity queued_record_survives_with_the_next
    scan_can_be_repeated appends_at_once_all_survive acknowledged_records_survive second_writer_is_refused
    lock_ends_with_its_holder dropped_append_is_whole_or_absent torn_record_is_an_error altered_record_is_an_error
}

/// A place that holds one journal, which can be left and come back to.
#[async_trait]
pub trait JournalPlace: Send + Sync {
    /// Opens the journal of this place, as a writer.
    async fn open(&self) -> Result<Arc<dyn Journal>>;

    /// Ends a writer as a crash would: nothing is closed in good order. Dropping it where there is no better way.
    async fn crash(&self, journal: Arc<dyn Journal>) -> Result<()> {
        drop(journal);
        Ok(())
    }

    /// Damages what is stored, while no writer is there; `false` where that cannot be done.
    async fn damage(&self, damage: Damage) -> Result<bool>;
}

/// What may happen to a record that was acknowledged.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The end of the last one is missing.
    TearLast,
    /// Some bytes of one in the middle are others.
    AlterMiddle,
}

async fn scan(journal: &dyn Journal) -> Result<Vec<Record>> {
    journal.scan().await?.try_collect().await
}

fn record(number: usize) -> Record {
    Record::Opened { identity: RunIdentity::default().with("number", number) }
}

fn records() -> Vec<Record> {
    (0..5).map(record).collect()
}

async fn append_all(journal: &dyn Journal, records: &[Record]) -> Result<()> {
    for record in records {
        journal.append(record).await?;
    }
    Ok(())
}

/// A new journal has no records.
pub async fn new_journal_is_empty(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let found = scan(&*journal).await?;
    ensure!(found.is_empty(), "a new journal holds {found:?}");
    Ok(())
}

/// Records come back whole, in the order in which they were appended, equal ones as often as they were.
pub async fn records_come_back_in_order(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let mut wanted = records();
    wanted.extend(records());
    append_all(&*journal, &wanted).await?;
    same(&wanted, &scan(&*journal).await?)
}

fn same(wanted: &[Record], found: &[Record]) -> LawResult {
    ensure!(wanted == found, "appended {wanted:?}, found {found:?}");
    Ok(())
}

/// Every kind of record comes back as it was, with its floats, its Unicode and its odd strings.
pub async fn every_kind_of_record_round_trips(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let evidence = vec!["Grüße 你好 \u{0} \u{2028} \"'\\".to_owned()];
    let trial = samples::trial("odd\nname", 0, Outcome::Scored { reward: 0.1 + 0.2, evidence })?;
    let consultation = Consultation {
        round: 3,
        stage: "mine".to_owned(),
        request: Fingerprint::of("a question")?,
        ordinal: 1,
        completion: Completion::text("an answer\r\n"),
    };
    let wanted = [
        record(0),
        Record::Harness {
            fingerprint: Fingerprint::of("h")?,
            document: serde_json::json!({"a": [1.5, null]}),
        },
        Record::TrialStarted {
            id: trial.id()?,
            key: trial.key.clone(),
            elapsed: Duration::from_millis(7),
        },
        Record::CallStarted { intent: samples::intent(1, trial.id()?)? },
        Record::CallSettled {
            call: CallId(1),
            settlement: Settlement::Unknown { reason: "it took too long".to_owned() },
            elapsed: Duration::from_millis(9),
        },
        Record::TrialFinished { trial },
        Record::Consulted { consultation },
        Record::Mined { round: 1, weaknesses: samples::weaknesses()? },
        Record::Proposed { round: 1, proposals: Vec::new() },
        Record::Closed { elapsed: Duration::from_secs(1) },
    ];
    append_all(&*journal, &wanted).await?;
    same(&wanted, &scan(&*journal).await?)
}

/// A record of two mebibytes comes back as it was.
pub async fn large_record_round_trips(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let document = serde_json::Value::String("0123456789abcdef".repeat(1 << 17));
    let wanted = [Record::Harness { fingerprint: Fingerprint::of("large")?, document }, record(1)];
    append_all(&*journal, &wanted).await?;
    ensure!(scan(&*journal).await? == wanted, "a record of 2 MiB is not what it was");
    Ok(())
}

/// An outline has every record in order, trials without their steps and otherwise as they are.
pub async fn outline_leaves_out_steps_only(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let trial = samples::trial("task", 0, Outcome::Scored { reward: 1.0, evidence: Vec::new() })?;
    let appended = [record(1), Record::TrialFinished { trial }, record(2)];
    append_all(&*journal, &appended).await?;
    let wanted = appended.map(Record::outline);
    same(&wanted, &journal.outline().await?.try_collect::<Vec<_>>().await?)
}

/// A scored trial is found by its identity, whole; a void one and an unknown one are not.
pub async fn trial_is_found_by_identity(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let passed =
        samples::trial("passed", 0, Outcome::Scored { reward: 1.0, evidence: Vec::new() })?;
    let void = samples::trial("void", 0, Outcome::Void { reason: "no reward".to_owned() })?;
    for trial in [&passed, &void] {
        journal.append(&Record::TrialFinished { trial: Arc::clone(trial) }).await?;
    }
    let found = journal.trial(passed.id()?).await?;
    ensure!(found.as_ref() == Some(&passed), "appended {passed:?}, found {found:?}");
    let found = journal.trial(void.id()?).await?;
    ensure!(found.is_none(), "a void trial was given for a scored one: {found:?}");
    let unknown = samples::trial("unknown", 0, Outcome::Void { reason: String::new() })?;
    let found = journal.trial(unknown.id()?).await?;
    ensure!(found.is_none(), "a trial that nobody appended was found: {found:?}");
    Ok(())
}

/// What was queued is in order, and survives with the next record that was acknowledged.
pub async fn queued_record_survives_with_the_next(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let wanted = records();
    for record in &wanted[..4] {
        journal.queue(record).await?;
    }
    journal.append(&wanted[4]).await?;
    place.crash(journal).await?;
    same(&wanted, &scan(&*place.open().await?).await?)
}

/// Scanning changes nothing, and appending goes on after it.
pub async fn scan_can_be_repeated(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let mut wanted = records();
    append_all(&*journal, &wanted).await?;
    same(&wanted, &scan(&*journal).await?)?;
    wanted.push(record(9));
    append_all(&*journal, &wanted[5..]).await?;
    same(&wanted, &scan(&*journal).await?)
}

/// Appends made at once are all there, each whole and once.
pub async fn appends_at_once_all_survive(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let wanted: Vec<Record> = (0..32).map(record).collect();
    let appends = join_all(wanted.iter().map(|record| journal.append(record)));
    promptly("32 appends at once", appends).await?.into_iter().collect::<Result<()>>()?;
    let mut found = scan(&*journal).await?;
    found.sort_by_key(|record| wanted.iter().position(|other| other == record));
    same(&wanted, &found)
}

/// What was acknowledged is there after a crash, and the journal goes on behind it.
pub async fn acknowledged_records_survive(place: &dyn JournalPlace) -> LawResult {
    let mut wanted = records();
    let journal = place.open().await?;
    append_all(&*journal, &wanted).await?;
    place.crash(journal).await?;
    let journal = place.open().await?;
    same(&wanted, &scan(&*journal).await?)?;
    wanted.push(record(7));
    append_all(&*journal, &wanted[5..]).await?;
    place.crash(journal).await?;
    same(&wanted, &scan(&*place.open().await?).await?)
}

/// While a writer is there, another is refused with [`ErrorKind::Locked`], and the first goes on.
pub async fn second_writer_is_refused(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    let second = promptly("opening a second writer", place.open()).await?;
    let kind = second.as_ref().err().map(crate::error::Error::kind);
    ensure!(kind == Some(ErrorKind::Locked), "a second writer got {kind:?}");
    append_all(&*journal, &records()).await?;
    same(&records(), &scan(&*journal).await?)
}

/// When its writer is gone, a journal can be opened again.
pub async fn lock_ends_with_its_holder(place: &dyn JournalPlace) -> LawResult {
    for number in 0..3 {
        let opened = place.open().await;
        let journal = match opened {
            Ok(journal) => journal,
            Err(error) => {
                return broken(format!("after its writer was dropped: {}", error.report()));
            }
        };
        append_all(&*journal, &[record(number)]).await?;
        drop(journal);
    }
    Ok(())
}

/// An append that is dropped half-way leaves its record whole or absent, and every other one as it was.
pub async fn dropped_append_is_whole_or_absent(place: &dyn JournalPlace) -> LawResult {
    let journal = place.open().await?;
    for polls in 1..=6 {
        append_all(&*journal, &[record(polls)]).await?;
        if let Some(done) = dropped_after(polls, journal.append(&record(100 + polls))).await {
            done?;
        }
    }
    append_all(&*journal, &[record(7)]).await?;
    let live = scan(&*journal).await?;
    place.crash(journal).await?;
    let found = scan(&*place.open().await?).await?;
    for number in 1..=7 {
        let count = found.iter().filter(|found| **found == record(number)).count();
        ensure!(count == 1, "acknowledged record {number} is there {count} times");
        let dropped = found.iter().filter(|found| **found == record(100 + number)).count();
        ensure!(dropped <= 1, "a dropped append is there {dropped} times");
    }
    same(&live, &found)
}

/// An acknowledged record whose end is missing is an error, not the end of the journal.
pub async fn torn_record_is_an_error(place: &dyn JournalPlace) -> LawResult {
    damaged(place, Damage::TearLast).await
}

/// A record whose bytes were changed is an error, not another record.
pub async fn altered_record_is_an_error(place: &dyn JournalPlace) -> LawResult {
    damaged(place, Damage::AlterMiddle).await
}

async fn damaged(place: &dyn JournalPlace, damage: Damage) -> LawResult {
    let journal = place.open().await?;
    append_all(&*journal, &records()).await?;
    drop(journal);
    if !place.damage(damage).await? {
        return skipped(format!("this place cannot do {damage:?} to a record"));
    }
    let noticed = match place.open().await {
        Err(error) => Err(error),
        Ok(journal) => scan(&*journal).await,
    };
    let kind = noticed.as_ref().err().map(crate::error::Error::kind);
    ensure!(kind == Some(ErrorKind::Journal), "after {damage:?} it says {noticed:?}");
    Ok(())
}
