//! The least that a limit may be. Of some kinds the kernel takes a limit of nothing for no limit at all.

use harness_core::{Error, ErrorKind, ResourceLimits, Result};

/// What a session's own files and its first process take.
const DISK_BYTES: u64 = 64 << 10;
const MEMORY_BYTES: u64 = 1 << 20;
/// The session's first process is one of them.
const PROCESSES: u64 = 2;

/// Limits as somebody named them; `None` is the sandbox's own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) disk_bytes: Option<u64>,
    pub(crate) processes: Option<u32>,
    pub(crate) cpus: Option<f64>,
}

impl From<&ResourceLimits> for Named {
    fn from(limits: &ResourceLimits) -> Self {
        let ResourceLimits { memory_bytes, disk_bytes, processes, cpus, .. } = *limits;
        Self { memory_bytes, disk_bytes, processes, cpus }
    }
}

impl Named {
    /// Refuses what no session could live with.
    pub(crate) fn check(self) -> Result<()> {
        at_least("bytes of memory", self.memory_bytes, MEMORY_BYTES)?;
        at_least("bytes of storage", self.disk_bytes, DISK_BYTES)?;
        at_least("processes", self.processes.map(u64::from), PROCESSES)?;
        match self.cpus {
            Some(cpus) if !(cpus > 0.0 && cpus <= 10_000.0) => Err(refused(format!(
                "{cpus} processors cannot be given: ask for more than 0 and at most 10,000"
            ))),
            _ => Ok(()),
        }
    }
}

fn at_least(what: &str, named: Option<u64>, least: u64) -> Result<()> {
    match named {
        Some(named) if named < least => Err(refused(format!(
            "a limit of {named} {what} is too low for any session: name {least} at least"
        ))),
        _ => Ok(()),
    }
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_let_through_is_never_taken_for_no_limit(
            memory_bytes: Option<u64>,
            disk_bytes: Option<u64>,
            processes: Option<u32>,
            cpus: Option<f64>,
        ) {
            let named = Named { memory_bytes, disk_bytes, processes, cpus };
            let low = memory_bytes.is_some_and(|bytes| bytes < 1 << 20)
                || disk_bytes.is_some_and(|bytes| bytes < 1 << 16)
                || processes.is_some_and(|count| count < 2)
                || cpus.is_some_and(|cpus| cpus.is_nan() || cpus <= 0.0 || cpus > 1e4);
            prop_assert_eq!(named.check().is_err(), low);
        }
    }

    #[test]
    fn a_limit_of_nothing_is_refused_by_name() {
        for (named, word) in [
            (Named { memory_bytes: Some(0), ..Named::default() }, "memory"),
            (Named { disk_bytes: Some(0), ..Named::default() }, "storage"),
            (Named { processes: Some(0), ..Named::default() }, "processes"),
            (Named { cpus: Some(0.0), ..Named::default() }, "processors"),
        ] {
            let refused = named.check().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
            assert!(refused.to_string().contains(word), "{refused}");
        }
        assert!(Named::default().check().is_ok());
    }
}
