//! Which of the loaded tasks take part.

use globset::{Glob, GlobSet, GlobSetBuilder};
use harness_core::{Error, ErrorKind, Result, TaskName};

use crate::harbor::HarborTask;

/// Patterns over task names, and a limit; the limit counts what the patterns leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only tasks that one of these matches; all when empty.
    pub include: Vec<String>,
    /// Not those that one of these matches.
    pub exclude: Vec<String>,
    /// At most so many, from the beginning.
    pub limit: Option<usize>,
}

impl Selection {
    /// Whether the patterns let a task of this name take part.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a pattern that is none.
    pub fn admits(&self, name: &TaskName) -> Result<bool> {
        let (include, exclude) =
            (globs("include", &self.include)?, globs("exclude", &self.exclude)?);
        let included = self.include.is_empty() || include.is_match(name.as_str());
        Ok(included && !exclude.is_match(name.as_str()))
    }

    /// The tasks that take part, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a pattern that is none, and when nothing is left.
    pub fn apply(&self, tasks: Vec<HarborTask>) -> Result<Vec<HarborTask>> {
        let count = tasks.len();
        let mut chosen = Vec::new();
        for task in tasks {
            if self.admits(&task.task.name)? {
                chosen.push(task);
            }
        }
        chosen.truncate(self.limit.unwrap_or(usize::MAX));
        if chosen.is_empty() && count > 0 {
            let message = format!(
                "include {:?}, exclude {:?} and limit {:?} leave none of {count} tasks: loosen them",
                self.include, self.exclude, self.limit
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(chosen)
    }
}

fn globs(option: &str, patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = Glob::new(pattern).map_err(|source| {
            let message = format!("{option} '{pattern}': {source}: write a pattern such as git-*");
            Error::new(ErrorKind::InvalidInput, message)
        })?;
        set.add(glob);
    }
    set.build().map_err(|source| {
        Error::new(ErrorKind::InvalidInput, format!("{option}: too many patterns"))
            .with_source(source)
    })
}
