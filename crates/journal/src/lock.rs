//! One writer per directory: a kernel lock on an open file, free again the moment its holder is gone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness_core::{Error, ErrorKind, Result};

use crate::fault;

/// Held for as long as it lives. The kernel gives it back when the process ends, however it ends, so that there is
/// no stale lock to remove.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Said aloud, because closing is not enough at once: a child that another thread is just starting shares the
        // open file, and with it the lock, until it executes its program. A failure leaves it to the kernel.
        let _unlocked = self.0.unlock();
    }
}

impl Lock {
    /// Takes the lock of `directory`, or says who has it.
    pub(crate) fn take(directory: &Path) -> Result<Self> {
        let path = directory.join("journal.lock");
        let failed = |source: std::io::Error| fault::failed(&path, "locking", source);
        // Not truncated on opening: its text names the present holder.
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(directory, &mut file)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let text = format!("process {} since {}\n", std::process::id(), utc(SystemTime::now()));
        file.set_len(0).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Self(file))
    }
}

fn held(directory: &Path, file: &mut File) -> Error {
    let holder = name_of_holder(file);
    let holder = holder.as_deref().unwrap_or("a process that started just now");
    let message = format!(
        "the state directory {} is in use by {holder}: wait for it, stop it, or use another directory",
        directory.display()
    );
    Error::new(ErrorKind::Locked, message)
}

/// Between taking the lock and writing its name the holder is nameless for a moment, which is worth waiting for.
fn name_of_holder(file: &mut File) -> Option<String> {
    const LOOKS: u32 = 100;
    for look in 0..LOOKS {
        let mut holder = String::new();
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut holder));
        if read.is_ok() && holder.ends_with('\n') {
            return Some(holder.trim().to_owned());
        }
        if look + 1 < LOOKS {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    None
}

/// A time as people write it, in UTC.
fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The date `days` after 1 January 1970. Years are counted from March, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendar_s() {
        let at = |seconds| utc(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(at(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(at(1_735_689_599), "2024-12-31 23:59:59 UTC");
    }

    #[test]
    fn the_second_of_two_is_told_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path()).unwrap();
        let refused = Lock::take(directory.path()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Locked);
        assert!(refused.message().contains(&format!("process {} since 2", std::process::id())));
        drop(lock);
        Lock::take(directory.path()).unwrap();
    }
}
