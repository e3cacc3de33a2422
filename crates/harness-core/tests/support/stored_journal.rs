//! A journal on a simulated disk, truthful, or breaking one law.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use harness_core::testing::laws::{Damage, JournalPlace};
use harness_core::{Error, ErrorKind, Fingerprint, Journal, Record, Result, Trial, TrialId};

/// What survives: checked lines, and who writes.
#[derive(Debug, Default)]
struct Disk {
    lines: Mutex<Vec<(Fingerprint, String)>>,
    count: Mutex<usize>,
    locked: AtomicBool,
}

/// A place on a simulated disk.
#[derive(Debug)]
pub(crate) struct StoredPlace {
    disk: Arc<Disk>,
    lie: &'static str,
}

impl StoredPlace {
    pub(crate) fn new(lie: &'static str) -> Self {
        Self { disk: Arc::default(), lie }
    }
}

#[async_trait]
impl JournalPlace for StoredPlace {
    async fn open(&self) -> Result<Arc<dyn Journal>> {
        let held = self.disk.locked.swap(true, Ordering::SeqCst);
        if held && self.lie != "second_writer_is_refused" {
            return Err(Error::new(ErrorKind::Locked, "another writer holds this journal"));
        }
        let journal = StoredJournal {
            disk: Arc::clone(&self.disk),
            lie: self.lie,
            unsaved: Mutex::default(),
        };
        if self.lie == "new_journal_is_empty" {
            journal
                .append(&Record::Opened { identity: harness_core::RunIdentity::default() })
                .await?;
        }
        Ok(Arc::new(journal))
    }

    async fn damage(&self, damage: Damage) -> Result<bool> {
        let mut lines = self.disk.lines.lock().unwrap();
        let middle = lines.len() / 2;
        match damage {
            Damage::TearLast => drop(lines.last_mut().map(|(_, line)| line.pop())),
            Damage::AlterMiddle => lines[middle].1 = lines[0].1.clone(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Debug)]
struct StoredJournal {
    disk: Arc<Disk>,
    lie: &'static str,
    unsaved: Mutex<Vec<(Fingerprint, String)>>,
}

impl Drop for StoredJournal {
    fn drop(&mut self) {
        if self.lie != "lock_ends_with_its_holder" {
            self.disk.locked.store(false, Ordering::SeqCst);
        }
    }
}

impl StoredJournal {
    fn store(&self, line: (Fingerprint, String)) {
        let mut lines = self.disk.lines.lock().unwrap();
        if self.lie != "records_come_back_in_order" || !lines.contains(&line) {
            lines.push(line);
        }
    }
}

async fn moment() {
    let mut polled = false;
    futures::future::poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[async_trait]
impl Journal for StoredJournal {
    async fn append(&self, record: &Record) -> Result<()> {
        let mut text = serde_json::to_string(record).unwrap();
        match self.lie {
            "large_record_round_trips" if text.len() > 1 << 20 => return Ok(()),
            "every_kind_of_record_round_trips" => text = text.replace("\\n", " "),
            _ => {}
        }
        let line = (Fingerprint::of_bytes(text.as_bytes()), text);
        if self.lie == "acknowledged_records_survive" {
            self.unsaved.lock().unwrap().push(line);
            return Ok(());
        }
        if self.lie == "dropped_append_is_whole_or_absent" {
            // Half of it, and only after a while the rest.
            let half = line.1.chars().take(9).collect();
            self.disk.lines.lock().unwrap().push((line.0, half));
            moment().await;
            moment().await;
            self.disk.lines.lock().unwrap().retain(|(print, _)| *print != line.0);
        }
        if self.lie == "appends_at_once_all_survive" {
            let at = *self.disk.count.lock().unwrap();
            moment().await;
            self.disk.lines.lock().unwrap().truncate(at);
            self.store(line);
            *self.disk.count.lock().unwrap() = at + 1;
            return Ok(());
        }
        moment().await;
        self.store(line);
        moment().await;
        Ok(())
    }

    async fn scan(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let mut lines = self.disk.lines.lock().unwrap().clone();
        lines.extend(self.unsaved.lock().unwrap().iter().cloned());
        if self.lie == "scan_can_be_repeated" {
            self.disk.lines.lock().unwrap().clear();
        }
        let mut records = Vec::new();
        for (index, (fingerprint, line)) in lines.iter().enumerate() {
            let last = index + 1 == lines.len();
            let whole = Fingerprint::of_bytes(line.as_bytes()) == *fingerprint;
            match (whole, self.lie) {
                (false, "torn_record_is_an_error") if last => continue,
                (true, _) | (_, "altered_record_is_an_error") => {}
                _ => {
                    return Err(Error::new(
                        ErrorKind::Journal,
                        format!("record {index} is damaged"),
                    ));
                }
            }
            records.push(serde_json::from_str(line).map_err(|error| {
                Error::new(ErrorKind::Journal, format!("record {index}")).with_source(error)
            }));
        }
        Ok(stream::iter(records).boxed())
    }

    async fn queue(&self, record: &Record) -> Result<()> {
        if self.lie == "queued_record_survives_with_the_next" {
            return Ok(());
        }
        self.append(record).await
    }

    async fn outline(&self) -> Result<BoxStream<'static, Result<Record>>> {
        let records = self.scan().await?;
        if self.lie == "outline_leaves_out_steps_only" {
            let shorter = records.map_ok(|record| match record.outline() {
                Record::TrialFinished { trial } => {
                    let mut trial = Arc::unwrap_or_clone(trial);
                    trial.void_attempts += 1;
                    Record::TrialFinished { trial: Arc::new(trial) }
                }
                other => other,
            });
            return Ok(shorter.boxed());
        }
        Ok(records.map_ok(Record::outline).boxed())
    }

    async fn trial(&self, id: TrialId) -> Result<Option<Arc<Trial>>> {
        let lies = self.lie == "trial_is_found_by_identity";
        let mut records = self.scan().await?;
        while let Some(record) = records.next().await {
            if let Record::TrialFinished { trial } = record?
                && (lies || trial.passed().is_some() && trial.id()? == id)
            {
                return Ok(Some(trial));
            }
        }
        Ok(None)
    }
}
