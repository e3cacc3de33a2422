//! A disk that forgets what was not synced, tears it, fills up and fails.

use std::sync::{Arc, Mutex};

use harness_core::testing::Chance;

use crate::scheduler::lock;

/// What is written together or not at all when the power fails.
const SECTOR: usize = 64;

/// One append-only file. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    bytes: Vec<u8>,
    /// What is safe, whatever happens.
    synced: usize,
    operations: u64,
    fault: Option<(u64, DiskFault)>,
}

/// What goes wrong with a disk operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// There is no room: a part of the write may be there.
    Full,
    /// The write fails for another reason, and nothing is there.
    Unwritable,
    /// The sync fails: what was written may be lost when the power is.
    Unsynced,
}

impl Disk {
    /// Lets `fault` happen at an operation so many from now on, if one that it fits comes then or later.
    pub fn fail(&self, operations_from_now: u64, fault: DiskFault) {
        let mut platter = lock(&self.0);
        platter.fault = Some((platter.operations + operations_from_now, fault));
    }

    /// Makes room, or puts in another cable.
    pub fn mend(&self) {
        lock(&self.0).fault = None;
    }

    /// Appends.
    ///
    /// # Errors
    /// The fault that was due.
    pub fn write(&self, bytes: &[u8]) -> Result<(), DiskFault> {
        let mut platter = lock(&self.0);
        match platter.due(&[DiskFault::Full, DiskFault::Unwritable]) {
            Some(DiskFault::Full) => {
                platter.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
                Err(DiskFault::Full)
            }
            Some(fault) => Err(fault),
            None => {
                platter.bytes.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Makes everything written so far safe.
    ///
    /// # Errors
    /// The fault that was due.
    pub fn sync(&self) -> Result<(), DiskFault> {
        let mut platter = lock(&self.0);
        if let Some(fault) = platter.due(&[DiskFault::Unsynced]) {
            return Err(fault);
        }
        platter.synced = platter.bytes.len();
        Ok(())
    }

    /// What a program reads back.
    pub fn read(&self) -> Vec<u8> {
        lock(&self.0).bytes.clone()
    }

    /// Cuts off what is not wanted, safely.
    pub fn truncate(&self, length: usize) {
        let mut platter = lock(&self.0);
        platter.bytes.truncate(length);
        platter.synced = platter.synced.min(length);
    }

    /// The process is gone: the system still holds what it wrote.
    pub fn process_killed(&self) {
        lock(&self.0).fault = None;
    }

    /// The power fails: of what was not synced, some sectors are there and some are not.
    pub fn power_cut(&self, chance: &mut Chance) {
        let mut platter = lock(&self.0);
        platter.fault = None;
        let synced = platter.synced;
        let reach = chance.below((platter.bytes.len() - synced) as u64 + 1);
        platter.bytes.truncate(synced + usize::try_from(reach).unwrap_or_default());
        let lost: Vec<bool> =
            platter.bytes[synced..].chunks(SECTOR).map(|_| chance.happens(0.3)).collect();
        for (sector, lost) in platter.bytes[synced..].chunks_mut(SECTOR).zip(lost) {
            if lost {
                sector.fill(0);
            }
        }
        platter.synced = platter.bytes.len();
    }
}

impl Platter {
    /// Counts an operation; the fault, when its time has come and it fits.
    fn due(&mut self, fitting: &[DiskFault]) -> Option<DiskFault> {
        self.operations += 1;
        let (moment, fault) = self.fault?;
        (self.operations >= moment && fitting.contains(&fault)).then_some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_survives_and_what_was_not_may_be_torn() {
        for seed in 0..200 {
            let (disk, mut chance) = (Disk::default(), Chance::new(seed));
            disk.write(&[1; 100]).unwrap();
            disk.sync().unwrap();
            disk.write(&[2; 300]).unwrap();
            disk.power_cut(&mut chance);
            let left = disk.read();
            assert!(left.len() >= 100 && left[..100] == [1; 100]);
            assert!(left[100..].iter().all(|byte| [0, 2].contains(byte)));
        }
    }

    #[test]
    fn a_full_disk_keeps_half_and_a_mended_one_works_again() {
        let disk = Disk::default();
        disk.fail(1, DiskFault::Full);
        assert_eq!(disk.write(&[3; 10]), Err(DiskFault::Full));
        assert_eq!(disk.read(), [3; 5]);
        disk.mend();
        disk.write(&[3; 10]).unwrap();
    }
}
