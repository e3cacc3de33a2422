//! A directory's content, read once and completely.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Fingerprint, Result};
use serde::{Deserialize, Serialize};

use crate::obstacle::{Obstacle, Step, unavailable, wrong};

/// More than this in one directory is not kept in memory.
const MOST_BYTES: u64 = 512 << 20;
const REMEDY: &str = "put a regular file there";

/// Files, empty directories and links by their path below the root, `/` between names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree(BTreeMap<String, Entry>);

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A directory with nothing in it.
    Directory,
    /// A regular file.
    File {
        /// 755 or 644.
        mode: u32,
        /// Its bytes.
        #[serde(with = "content")]
        content: Arc<[u8]>,
    },
    /// A symbolic link to something in the same tree.
    Link {
        /// As written: relative.
        target: String,
    },
}

impl Tree {
    /// Everything below a directory of the operator's. A link must stay within it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](harness_core::ErrorKind) naming what is not a file, a directory or such a link, or too large.
    pub fn load(root: &Path) -> Result<Self> {
        Self::read(root, root).map_err(|obstacle| match obstacle {
            Obstacle::Wrong(error) => error,
            Obstacle::Unavailable(why) => Error::new(ErrorKind::InvalidInput, why),
        })
    }

    /// Everything below `root`, which lies in `boundary`: no link may lead out of that.
    pub(crate) fn read(root: &Path, boundary: &Path) -> Step<Self> {
        let inside = |path: &Path| path.canonicalize().map_err(|source| unreadable(path, source));
        let mut walk = Walk { root: inside(root)?, boundary: inside(boundary)?, ..Walk::default() };
        if !walk.root.starts_with(&walk.boundary) {
            return Err(escapes(root, boundary).into());
        }
        walk.directory(&walk.root.clone(), "")?;
        Ok(Self(walk.found))
    }

    /// The entries, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The regular files, sorted by path, with their bytes.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().filter_map(|(path, entry)| match entry {
            Entry::File { content, .. } => Some((path, content.as_ref())),
            _ => None,
        })
    }

    /// The bytes of a regular file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.0.get(path) {
            Some(Entry::File { content, .. }) => Some(content),
            _ => None,
        }
    }

    /// The digest of every path, mode and content.
    ///
    /// # Errors
    /// None in practice.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let listed: BTreeMap<&str, String> = self
            .iter()
            .map(|(path, entry)| {
                let what = match entry {
                    Entry::Directory => "directory".to_owned(),
                    Entry::File { mode, content } => {
                        format!("file {mode:o} {}", Fingerprint::of_bytes(content))
                    }
                    Entry::Link { target } => format!("link {target}"),
                };
                (path, what)
            })
            .collect();
        Fingerprint::of(&listed)
    }

    /// Keeps only the entries whose path `keep` accepts.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|path, _| keep(path));
    }
}

#[derive(Default)]
struct Walk {
    root: PathBuf,
    boundary: PathBuf,
    found: BTreeMap<String, Entry>,
    bytes: u64,
}

impl Walk {
    fn directory(&mut self, directory: &Path, prefix: &str) -> Step<()> {
        let before = self.found.len();
        let entries = fs::read_dir(directory).map_err(|source| unreadable(directory, source))?;
        for entry in entries {
            let path = entry.map_err(|source| unreadable(directory, source))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                return Err(wrong(&path, "its name", "is not UTF-8", "rename the file").into());
            };
            self.entry(&path, format!("{prefix}{name}"))?;
        }
        if self.found.len() == before && !prefix.is_empty() {
            self.found.insert(prefix.trim_end_matches('/').to_owned(), Entry::Directory);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, below: String) -> Step<()> {
        let kind = path.symlink_metadata().map_err(|source| unreadable(path, source))?.file_type();
        if kind.is_dir() {
            return self.directory(path, &format!("{below}/"));
        }
        let entry = if kind.is_symlink() { self.link(path)? } else { self.file(path)? };
        self.found.insert(below, entry);
        Ok(())
    }

    /// A link within the tree stays one; a link to elsewhere within the boundary becomes the file it names.
    fn link(&mut self, path: &Path) -> Step<Entry> {
        let target = fs::read_link(path).map_err(|source| unreadable(path, source))?;
        let Some(lexical) = resolve(path.parent().unwrap_or(&self.root), &target) else {
            return Err(escapes(path, &self.boundary).into());
        };
        let real = path.canonicalize();
        let followed = real.as_deref().unwrap_or(&lexical);
        if target.is_absolute()
            || !lexical.starts_with(&self.boundary)
            || !followed.starts_with(&self.boundary)
        {
            return Err(escapes(path, &self.boundary).into());
        }
        match target.to_str() {
            Some(text) if lexical.starts_with(&self.root) && followed.starts_with(&self.root) => {
                Ok(Entry::Link { target: text.to_owned() })
            }
            _ => self.file(path),
        }
    }

    fn file(&mut self, path: &Path) -> Step<Entry> {
        let about = path.metadata().map_err(|source| unreadable(path, source))?;
        if !about.is_file() {
            return Err(
                wrong(path, "its type", "is neither file, directory nor link", REMEDY).into()
            );
        }
        self.bytes += about.len();
        if self.bytes > MOST_BYTES {
            return unavailable(format!(
                "{} holds more than {} MiB, which is not kept in memory",
                self.root.display(),
                MOST_BYTES >> 20
            ));
        }
        let content = fs::read(path).map_err(|source| unreadable(path, source))?;
        let mode = if about.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
        Ok(Entry::File { mode, content: content.into() })
    }
}

/// The text of a file of the task, which must not lead out of its directory; `None` when there is none.
pub(crate) fn text(task: &Path, name: &str) -> Result<Option<String>> {
    let path = task.join(name);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let real = path.canonicalize().map_err(|source| unreadable(&path, source))?;
    if !task.canonicalize().is_ok_and(|task| real.starts_with(task)) {
        return Err(escapes(&path, task));
    }
    if !real.is_file() {
        return Err(wrong(&path, "its type", "is no regular file", REMEDY));
    }
    fs::read_to_string(&path).map(Some).map_err(|source| unreadable(&path, source))
}

/// `target` seen from `directory`, without looking at the disk; `None` when it leaves the root.
fn resolve(directory: &Path, target: &Path) -> Option<PathBuf> {
    let mut at = directory.to_owned();
    for part in target.components() {
        match part {
            Component::ParentDir => at.pop().then_some(())?,
            Component::Normal(name) => at.push(name),
            Component::RootDir => at = PathBuf::from("/"),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(at)
}

fn unreadable(path: &Path, source: std::io::Error) -> harness_core::Error {
    wrong(path, "reading it", &source, "check that it exists and may be read").with_source(source)
}

fn escapes(path: &Path, boundary: &Path) -> harness_core::Error {
    let problem = format!("leads out of {}", boundary.display());
    wrong(path, "the link", problem, "replace it by what it points to")
}

/// Text where it is text, hexadecimal digits where it is not.
mod content {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Form<'a> {
        Text(std::borrow::Cow<'a, str>),
        Hex(String),
    }

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Form::Text(text.into()),
            Err(_) => Form::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
        .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[u8]>, D::Error> {
        match Form::deserialize(from)? {
            Form::Text(text) => Ok(text.as_bytes().into()),
            Form::Hex(hex) => bytes(&hex).ok_or_else(|| de::Error::custom("not hexadecimal")),
        }
    }

    fn bytes(hex: &str) -> Option<Arc<[u8]>> {
        let digit =
            |digit: &u8| char::from(*digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|pair| Some(digit(&pair[0])? << 4 | digit(pair.get(1)?)?)).collect()
    }
}
