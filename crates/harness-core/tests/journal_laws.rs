//! The laws of journals: kept by a truthful one, each broken by its own liar.

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use harness_core::testing::Fixture;
use harness_core::testing::laws::{Damage, JournalPlace, journal};
use harness_core::{Journal, MemoryJournal, Result};
use support::caught_by_every_liar;
use support::stored_journal::StoredPlace;

harness_core::journal_laws!(truthful, block_on, || Fixture::new(StoredPlace::new("")));

#[test]
fn every_law_has_a_liar_and_catches_it() {
    caught_by_every_liar(&journal::laws(), |lie, check| {
        block_on(check(&StoredPlace::new(lie) as &dyn JournalPlace))
    });
}

/// One journal in memory, which is there for as long as the place is.
#[derive(Default)]
struct InMemory(Arc<MemoryJournal>);

#[async_trait]
impl JournalPlace for InMemory {
    async fn open(&self) -> Result<Arc<dyn Journal>> {
        Ok(Arc::clone(&self.0) as Arc<dyn Journal>)
    }

    async fn damage(&self, _damage: Damage) -> Result<bool> {
        Ok(false)
    }
}

harness_core::journal_laws!(
    in_memory,
    block_on,
    || Fixture::new(InMemory::default()),
    except
        & [
            ("second_writer_is_refused", "whoever shares a journal in memory means to"),
            ("torn_record_is_an_error", "nothing is stored that could be torn"),
            ("altered_record_is_an_error", "nothing is stored that could be altered"),
        ]
);
