//! Walks a Dockerfile's instructions and gathers what a session needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness_core::{SandboxPath, Upload};

use super::parse::{Document, Instruction, parse};
use super::run::{Run, SHELL, quote, seen_from};
use super::{packages, stand_in, words};
use crate::harbor::tree::Tree;
use crate::obstacle::{Step, unavailable, wrong};

/// What `PATH` holds in the images that can be stood in for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where an image without `WORKDIR` works: no session can work in `/` itself.
const WORKDIR: &str = "/app";
/// What a Dockerfile comes to without Docker.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) image: String,
    /// Programs that the host must have to stand in for the image.
    pub(crate) requires: &'static [&'static str],
    pub(crate) workdir: SandboxPath,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) files: Vec<Upload>,
    pub(super) steps: Vec<Setup>,
}

/// Done in the session, in order, once the files are there.
#[derive(Debug)]
pub(super) enum Setup {
    Directory(SandboxPath),
    Link { path: SandboxPath, target: String },
    Run(Run),
}

impl Built {
    /// The set-up lines for a session that starts in `workdir` with the variables `env`.
    pub(crate) fn setup(
        &self,
        workdir: &SandboxPath,
        env: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let shown = |path: &SandboxPath| quote(&seen_from(workdir, path));
        let lines = self.steps.iter().filter_map(|step| match step {
            Setup::Directory(path) if path == workdir => None,
            Setup::Directory(path) => Some(format!("mkdir -p {}", shown(path))),
            Setup::Link { path, target } => {
                let (path, target) = (shown(path), quote(target));
                Some(format!("mkdir -p \"$(dirname {path})\" && ln -sfn {target} {path}"))
            }
            Setup::Run(run) => Some(run.line(workdir, env)),
        });
        lines.collect()
    }
}

/// The state of a build between two instructions.
#[derive(Debug)]
pub(crate) struct Build<'a> {
    file: &'a Path,
    pub(super) context: &'a Tree,
    /// Of the instruction being read.
    line: usize,
    /// `ARG`s before `FROM`: an `ARG` of the same name takes its value from there.
    outer: BTreeMap<String, String>,
    args: BTreeMap<String, String>,
    shell: Vec<String>,
    /// Uploads by path, and whether a `RUN` has followed them.
    pub(super) copied: BTreeMap<SandboxPath, bool>,
    pub(super) directories: BTreeSet<SandboxPath>,
    pub(super) built: Option<Built>,
}

impl<'a> Build<'a> {
    /// Reads `text`, the Dockerfile at `file`, whose build context is `context`.
    pub(crate) fn read(file: &'a Path, text: &str, context: &'a Tree) -> Step<Built> {
        let mut build = Self {
            file,
            context,
            line: 1,
            outer: BTreeMap::new(),
            args: BTreeMap::new(),
            shell: SHELL.map(str::to_owned).to_vec(),
            copied: BTreeMap::new(),
            directories: BTreeSet::new(),
            built: None,
        };
        let instructions = match parse(text) {
            Ok(instructions) => instructions,
            Err(why) => return unavailable(format!("environment/Dockerfile {why}")),
        };
        for instruction in &instructions {
            build.line = instruction.line;
            build.instruction(instruction)?;
        }
        let Some(built) = build.built else {
            return Err(wrong(file, "FROM", "is missing", "name an image first").into());
        };
        if built.workdir.as_str() == "/" {
            return unavailable("its WORKDIR is /, where no session can work: name another one");
        }
        Ok(built)
    }

    fn instruction(&mut self, it: &Instruction) -> Step<()> {
        match it.keyword.as_str() {
            "FROM" => self.from(&it.rest),
            "ARG" => self.arg(&it.rest),
            _ if self.built.is_none() => {
                Err(self.wrong(&it.keyword, "stands before FROM", "name an image first"))
            }
            "WORKDIR" => self.workdir(&it.rest),
            "ENV" => self.env(&it.rest),
            "SHELL" => self.shell(&it.rest),
            "COPY" | "ADD" => self.copy(it),
            "RUN" => self.run(it),
            "USER" if ["root", "0", "root:root", "0:0"].contains(&it.rest.as_str()) => Ok(()),
            "USER" => self.cannot(format!("works as the user '{}'", it.rest)),
            "CMD" | "ENTRYPOINT" | "EXPOSE" | "LABEL" | "VOLUME" | "MAINTAINER" | "HEALTHCHECK"
            | "STOPSIGNAL" => Ok(()),
            other => self.cannot(format!("has the instruction {other}")),
        }
    }

    fn from(&mut self, rest: &str) -> Step<()> {
        if self.built.is_some() {
            return self.cannot("has more than one stage");
        }
        let words = words::words(rest, &|name| self.outer.get(name).cloned().unwrap_or_default());
        let image = words.into_iter().find(|word| !word.starts_with("--")).unwrap_or_default();
        let Some(requires) = stand_in(&image) else {
            return self.cannot(format!(
                "starts from the image '{image}', which nothing here can stand in for"
            ));
        };
        let workdir = self.path(WORKDIR)?;
        self.directories.insert(workdir.clone());
        let (env, files, steps) = (BTreeMap::new(), Vec::new(), Vec::new());
        self.built = Some(Built { image, requires, workdir, env, files, steps });
        Ok(())
    }

    fn arg(&mut self, rest: &str) -> Step<()> {
        for word in words::words(rest, &|name| self.variable(name)) {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, Some(default.to_owned())),
                None => (word.as_str(), None),
            };
            let inherited = self.outer.get(name).cloned();
            if let Some(value) = default.or(inherited) {
                let scope = if self.built.is_some() { &mut self.args } else { &mut self.outer };
                scope.insert(name.to_owned(), value);
            }
        }
        Ok(())
    }

    fn env(&mut self, rest: &str) -> Step<()> {
        let first = rest.split_whitespace().next().unwrap_or_default();
        let pairs: Vec<(String, String)> = if first.contains('=') {
            let words = words::words(rest, &|name| self.variable(name));
            let pair = |word: &str| word.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
            words.iter().filter_map(|word| pair(word)).collect()
        } else {
            let value = rest[first.len()..].trim();
            vec![(first.to_owned(), words::word(value, &|name| self.variable(name)))]
        };
        if let Some(built) = &mut self.built {
            built.env.extend(pairs);
        }
        Ok(())
    }

    fn workdir(&mut self, rest: &str) -> Step<()> {
        let path = self.path(&words::word(rest, &|name| self.variable(name)))?;
        if let Some(built) = &mut self.built {
            built.workdir = path.within(&built.workdir);
            self.directories.insert(built.workdir.clone());
            built.steps.push(Setup::Directory(built.workdir.clone()));
        }
        Ok(())
    }

    fn shell(&mut self, rest: &str) -> Step<()> {
        match serde_json::from_str::<Vec<String>>(rest) {
            Ok(words) if !words.is_empty() => self.shell = words,
            _ => {
                return Err(self.wrong(
                    "SHELL",
                    "is no JSON list of words",
                    r#"write SHELL ["/bin/bash", "-c"]"#,
                ));
            }
        }
        Ok(())
    }

    fn run(&mut self, it: &Instruction) -> Step<()> {
        let rest = self.without_options(&it.rest)?;
        let words =
            serde_json::from_str::<Vec<String>>(rest).ok().filter(|_| it.documents.is_empty());
        let script = match (&words, it.documents.as_slice()) {
            (Some(words), _) => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
            (None, [document]) if is_script(rest) => self.script(document)?,
            (None, documents) => documents.iter().fold(rest.to_owned(), |script, document| {
                format!("{script}\n{}{}", document.text, document.name)
            }),
        };
        let feeds_a_shell =
            is_script(rest) || rest.split_whitespace().next().is_some_and(|it| it.ends_with("sh"));
        if let Some(why) = packages::obstacle(if feeds_a_shell { &script } else { rest }) {
            return self.cannot(why);
        }
        // The form of a list starts its program without a shell; ours only has to keep the words apart.
        let shell = words.map_or_else(|| self.shell.clone(), |_| SHELL.map(str::to_owned).to_vec());
        self.copied.values_mut().for_each(|settled| *settled = true);
        if let Some(built) = &mut self.built {
            // As in an image build: ENV wins over an ARG of the same name.
            let env = self.args.clone().into_iter().chain(built.env.clone()).collect();
            built.steps.push(Setup::Run(Run {
                script,
                shell,
                workdir: built.workdir.clone(),
                env,
            }));
        }
        Ok(())
    }

    fn without_options<'r>(&self, mut rest: &'r str) -> Step<&'r str> {
        while rest.starts_with("--") {
            let (option, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let harmless =
                ["--mount=type=cache", "--mount=type=tmpfs", "--network=", "--security="];
            if !harmless.iter().any(|known| option.starts_with(known)) {
                return self.cannot(format!("has the option '{option}'"));
            }
            rest = after.trim_start();
        }
        Ok(rest)
    }

    fn script(&self, document: &Document) -> Step<String> {
        let first = document.text.lines().next().unwrap_or_default();
        match first.strip_prefix("#!").map(str::trim) {
            None => Ok(document.text.clone()),
            Some(shell) if shell.ends_with("sh") => {
                let words: Vec<&str> =
                    shell.split_whitespace().chain(["-c", &document.text]).collect();
                Ok(words.into_iter().map(quote).collect::<Vec<_>>().join(" "))
            }
            Some(other) => self.cannot(format!("runs a script with '{other}'")),
        }
    }

    pub(super) fn variable(&self, name: &str) -> String {
        let env = self.built.as_ref().and_then(|built| built.env.get(name));
        let found = env.or_else(|| self.args.get(name)).cloned();
        found.unwrap_or_else(|| if name == "PATH" { PATH.to_owned() } else { String::new() })
    }

    pub(super) fn path(&self, text: &str) -> Step<SandboxPath> {
        SandboxPath::new(text)
            .map_err(|error| self.wrong("a path", error.message(), "write it without '..'"))
    }

    pub(super) fn wrong(
        &self,
        key: &str,
        problem: impl std::fmt::Display,
        remedy: &str,
    ) -> crate::obstacle::Obstacle {
        wrong(self.file, format!("line {}, {key}", self.line), problem, remedy).into()
    }

    /// What the line needs is not here: the task is skipped, and the others are not.
    pub(super) fn lacks<T>(&self, what: impl std::fmt::Display) -> Step<T> {
        unavailable(format!("environment/Dockerfile line {} {what}", self.line))
    }

    pub(super) fn cannot<T>(&self, what: impl std::fmt::Display) -> Step<T> {
        unavailable(format!(
            "environment/Dockerfile line {} {what}: that needs images, which come with a container backend",
            self.line
        ))
    }
}

/// Whether the text is nothing but the opening of a here-document, which then is the script itself.
fn is_script(rest: &str) -> bool {
    rest.starts_with("<<") && rest.split_whitespace().count() == 1
}
