//! `COPY` and `ADD` of local files: which file goes where.

use std::collections::{BTreeMap, BTreeSet};

use globset::GlobBuilder;
use harness_core::SandboxPath;

use crate::harbor::tree::{Entry, Tree};

/// Options, sources and destination of a `COPY` or `ADD`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) mode: Option<u32>,
    pub(crate) sources: Vec<String>,
    pub(crate) destination: String,
}

impl Arguments {
    /// From the instruction's words; `Err` says what cannot be given.
    pub(crate) fn of(words: Vec<String>) -> Result<Self, String> {
        let mut mode = None;
        let mut paths = Vec::new();
        for word in words {
            let option = word.strip_prefix("--").filter(|_| paths.is_empty());
            match option.map(|option| option.split_once('=').unwrap_or((option, ""))) {
                None => paths.push(word),
                Some(("chmod", digits)) => match u32::from_str_radix(digits, 8) {
                    Ok(bits) if bits <= 0o7777 => mode = Some(bits),
                    _ => return Err(format!("'--chmod={digits}' is not octal")),
                },
                Some(("link", _)) => {}
                Some(("chown", owner)) if is_root(owner) => {}
                Some((name, _)) => {
                    return Err(format!("has the option '--{name}'"));
                }
            }
        }
        let destination = paths.pop().unwrap_or_default();
        Ok(Self { mode, sources: paths, destination })
    }
}

fn is_root(owner: &str) -> bool {
    owner.split(':').all(|name| ["root", "0"].contains(&name))
}

/// What one `COPY` puts where, in order.
pub(crate) type Placed<'a> = Vec<(SandboxPath, &'a Entry)>;

/// Why a source was not placed.
pub(crate) enum Misplaced {
    /// Nothing of that name is there.
    Absent(String),
    /// It is no path that could be copied.
    Wrong(String),
}

impl From<String> for Misplaced {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

/// Where the entries of `context` that `source` names go; `Err` says why it names none.
///
/// `base` is the destination within the working directory; `into` says that it is a directory.
pub(crate) fn place<'a>(
    context: &'a Tree,
    source: &str,
    base: &SandboxPath,
    into: bool,
) -> Result<Placed<'a>, Misplaced> {
    let source = normal(source)?;
    let matched = matching(context, &source)?;
    let mut placed = Vec::new();
    for path in &matched {
        let below = format!("{path}/");
        let prefix = if path.is_empty() { "" } else { below.as_str() };
        let name = path.rsplit('/').next().unwrap_or(path);
        for (entry_path, entry) in context.iter() {
            if entry_path == path {
                // A directory with nothing in it becomes the destination itself.
                let inner = if into && !matches!(entry, Entry::Directory) { name } else { "." };
                placed.push((within(base, inner)?, entry));
            } else if let Some(inner) = entry_path.strip_prefix(prefix) {
                placed.push((within(base, inner)?, entry));
            }
        }
    }
    if placed.is_empty() && !source.is_empty() {
        return Err(Misplaced::Absent(format!("copies '{source}', which is not in environment/")));
    }
    Ok(placed)
}

/// Whether `source` names one plain file or link, so that the destination may be its new name.
pub(crate) fn is_one_file(context: &Tree, source: &str) -> bool {
    normal(source).is_ok_and(|source| {
        context.iter().any(|(path, entry)| path == source && !matches!(entry, Entry::Directory))
    })
}

fn within(base: &SandboxPath, inner: &str) -> Result<SandboxPath, String> {
    let inner = SandboxPath::new(inner).map_err(|error| error.message().to_owned())?;
    Ok(inner.within(base))
}

/// A source as a path of the context: no leading `/` or `./`, no `..`.
fn normal(source: &str) -> Result<String, String> {
    let parts: Vec<&str> =
        source.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match parts.contains(&"..") {
        true => Err(format!("'{source}' leads out of environment/")),
        false => Ok(parts.join("/")),
    }
}

/// The paths of files and directories that `source` names, itself or as a pattern.
fn matching(context: &Tree, source: &str) -> Result<BTreeSet<String>, String> {
    if !source.contains(['*', '?', '[']) {
        return Ok(BTreeSet::from([source.to_owned()]));
    }
    let glob = GlobBuilder::new(source).literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| error.to_string())?.compile_matcher();
    let mut found = BTreeMap::new();
    for (path, _) in context.iter() {
        // A directory is known by what is in it.
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        found.extend(ends.map(|end| (&path[..end], ())));
    }
    Ok(found.into_keys().filter(|path| glob.is_match(path)).map(str::to_owned).collect())
}
