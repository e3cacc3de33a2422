//! The part of a build that places files: `COPY` and `ADD`.

use harness_core::{SandboxPath, Upload};

use super::build::{Build, Setup};
use super::copy::{self, Arguments, Misplaced};
use super::parse::{Document, Instruction};
use super::words;
use crate::harbor::tree::Entry;
use crate::obstacle::Step;

/// Directories of the host that stand in, read-only.
const SYSTEM: [&str; 10] =
    ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "proc", "sys", "dev"];

impl Build<'_> {
    pub(super) fn copy(&mut self, it: &Instruction) -> Step<()> {
        let words = match serde_json::from_str::<Vec<String>>(&it.rest) {
            Ok(words) => words,
            Err(_) => words::words(&it.rest, &|name| self.variable(name)),
        };
        let arguments = match Arguments::of(words) {
            Ok(arguments) => arguments,
            Err(why) => return self.cannot(why),
        };
        if arguments.sources.is_empty() {
            let problem = "needs a source and a destination";
            return Err(self.wrong(&it.keyword, problem, "write COPY file directory/"));
        }
        if it.keyword == "ADD" {
            self.check_added(&arguments.sources)?;
        }
        let base = self.destination(&arguments)?;
        let mut documents = it.documents.iter();
        for source in &arguments.sources {
            let into = self.is_directory(&arguments, &base);
            if source.starts_with("<<") {
                self.document(documents.next(), &base, into, arguments.mode)?;
                continue;
            }
            let placed = match copy::place(self.context, source, &base, into) {
                Ok(placed) => placed,
                // Large files are often fetched apart: the task cannot be had without them, the others can.
                Err(Misplaced::Absent(why)) => return self.lacks(why),
                Err(Misplaced::Wrong(why)) => {
                    return Err(self.wrong(&it.keyword, why, "name a file below environment/"));
                }
            };
            for (path, entry) in placed {
                self.put(path, entry, arguments.mode)?;
            }
        }
        Ok(())
    }

    fn destination(&self, arguments: &Arguments) -> Step<SandboxPath> {
        let path = self.path(&arguments.destination)?;
        Ok(self.built.as_ref().map_or(path.clone(), |built| path.within(&built.workdir)))
    }

    /// Whether files go *into* the destination, or the only one takes its name.
    fn is_directory(&self, arguments: &Arguments, base: &SandboxPath) -> bool {
        let said = &arguments.destination;
        let by_name = said.ends_with('/')
            || ["", ".", ".."].contains(&said.rsplit('/').next().unwrap_or(said));
        let known =
            ["/", "/tmp", "/root", "/etc", "/opt", "/home", "/srv", "/var", "/mnt", "/media"];
        let one = arguments.sources.len() == 1
            && (arguments.sources[0].starts_with("<<")
                || copy::is_one_file(self.context, &arguments.sources[0]));
        by_name || !one || known.contains(&base.as_str()) || self.directories.contains(base)
    }

    fn document(
        &mut self,
        document: Option<&Document>,
        base: &SandboxPath,
        into: bool,
        mode: Option<u32>,
    ) -> Step<()> {
        let Some(document) = document else { return Ok(()) };
        let text = match document.expands {
            true => words::expand(&document.text, &|name| self.variable(name)),
            false => document.text.clone(),
        };
        let path = if into { self.path(&document.name)?.within(base) } else { base.clone() };
        self.put(path, &Entry::File { mode: 0o644, content: text.into_bytes().into() }, mode)
    }

    fn put(&mut self, path: SandboxPath, entry: &Entry, mode: Option<u32>) -> Step<()> {
        let top = path.as_str().trim_start_matches('/').split('/').next().unwrap_or_default();
        if SYSTEM.contains(&top) {
            return self.cannot(format!("places {path}, and the host's /{top} is only lent"));
        }
        if self.copied.get(&path) == Some(&true) {
            return self.cannot(format!("copies {path} a second time after a RUN"));
        }
        let Some(built) = &mut self.built else { return Ok(()) };
        let parents =
            path.as_str().match_indices('/').skip(1).map(|(end, _)| &path.as_str()[..end]);
        self.directories.extend(parents.filter_map(|parent| SandboxPath::new(parent).ok()));
        match entry {
            Entry::Directory => {
                self.directories.insert(path.clone());
                built.steps.push(Setup::Directory(path));
            }
            Entry::Link { target } => {
                built.steps.push(Setup::Link { path, target: target.clone() });
            }
            Entry::File { mode: found, content } => {
                self.copied.insert(path.clone(), false);
                let (mode, content) = (mode.unwrap_or(*found), content.clone());
                built.files.push(Upload { path, mode, content });
            }
        }
        Ok(())
    }

    fn check_added(&self, sources: &[String]) -> Step<()> {
        let archive = [".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"];
        for source in sources {
            if source.contains("://") || source.starts_with("git@") {
                return self.cannot(format!("downloads '{source}'"));
            }
            if archive.iter().any(|ending| source.ends_with(ending)) {
                return self.cannot(format!("unpacks '{source}': COPY it and unpack it with RUN"));
            }
        }
        Ok(())
    }
}
