//! How far the journal had got when it last acknowledged something.
//!
//! SQLite drops the end of a log from the first frame that does not check out, silently: right for a torn write that
//! nobody was told of, wrong for a bit that flipped later in a record that was acknowledged. The tip tells the two
//! apart. It is written after the commit and not synced, so that it costs nothing and can only lag behind.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use harness_core::Result;

use crate::chain::Link;
use crate::fault;

/// A record's place and link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) seq: i64,
    pub(crate) link: Link,
}

impl Tip {
    /// Before the first record.
    pub(crate) fn start() -> Self {
        Self { seq: 0, link: Link::genesis() }
    }

    fn line(self) -> String {
        let body = format!("{:020} {}", self.seq, self.link.to_hex());
        let check = blake3::hash(body.as_bytes()).to_hex();
        format!("{body} {}\n", &check[..16])
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let tip = Self { seq: words.next()?.parse().ok()?, link: Link::from_hex(words.next()?)? };
        (tip.line() == line).then_some(tip)
    }

    /// What the file beside the journal says; `None` when it is absent, or was torn by a power cut.
    pub(crate) fn read(journal: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path_beside(journal)).ok()?)
    }
}

/// Where the tip of `journal` is kept.
pub(crate) fn path_beside(journal: &Path) -> PathBuf {
    journal.with_extension("tip")
}

/// Writes tips.
#[derive(Debug)]
pub(crate) struct TipFile(File);

impl TipFile {
    pub(crate) fn open(journal: &Path) -> Result<Self> {
        let path = path_beside(journal);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        file.map(Self).map_err(|source| fault::failed(&path, "opening the tip of", source))
    }

    /// Every line has the same length, so that one write replaces the last.
    pub(crate) fn write(&mut self, tip: Tip) -> std::io::Result<()> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(tip.line().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_survives_and_a_torn_one_is_none() {
        let tip = Tip { seq: 41, link: Link::genesis() };
        let line = tip.line();
        assert_eq!(Tip::parse(&line), Some(tip));
        for cut in 0..line.len() {
            assert_eq!(Tip::parse(&line[..cut]), None);
        }
        assert_eq!(Tip::parse(&line.replacen('4', "5", 1)), None);
    }
}
