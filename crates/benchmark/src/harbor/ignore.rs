//! `.dockerignore`: what of `environment/` no `COPY` sees.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use harness_core::Result;

use crate::obstacle::wrong;

/// Patterns in order; the last that matches decides.
#[derive(Debug, Default)]
pub(crate) struct Ignore(Vec<(GlobMatcher, bool)>);

impl Ignore {
    /// Reads the text of `file`.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self> {
        let mut rules = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (pattern, ignored) =
                line.strip_prefix('!').map_or((line, true), |pattern| (pattern.trim(), false));
            let pattern = pattern.trim_matches('/').trim_start_matches("./");
            let glob =
                GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
            let glob = glob.map_err(|source| {
                wrong(
                    file,
                    format!("line {}", at + 1),
                    source,
                    "write a pattern such as *.log or build/**",
                )
            })?;
            rules.push((glob.compile_matcher(), ignored));
        }
        Ok(Self(rules))
    }

    /// Whether `path`, or a directory that it lies in, is left out.
    pub(crate) fn ignores(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let ancestors: Vec<&str> = ends.map(|end| &path[..end]).collect();
        let mut matching =
            self.0.iter().filter(|(glob, _)| ancestors.iter().any(|it| glob.is_match(it)));
        matching.next_back().is_some_and(|(_, ignored)| *ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let text = "# notes\n*.log\n/build/\n!build/keep.txt\n**/secret\ndocs/*.md\n";
        let ignore = Ignore::parse(Path::new(".dockerignore"), text).unwrap();
        for path in ["a.log", "build/x", "build/deep/y", "a/b/secret", "secret", "docs/a.md"] {
            assert!(ignore.ignores(path), "{path}");
        }
        for path in ["sub/a.log", "build/keep.txt", "builder", "docs/sub/a.md", "Dockerfile"] {
            assert!(!ignore.ignores(path), "{path}");
        }
        assert!(Ignore::parse(Path::new("x"), "[").unwrap_err().message().contains("line 1"));
    }
}
