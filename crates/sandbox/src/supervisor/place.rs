//! Where a session's paths lead: the one way in which the supervisor opens a path of a session's.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2};
use rustix::io::Errno;

use super::changed::Layers;
use super::failure::{Doing as _, Failure};
use crate::wire::Plan;

/// Directories that a private directory gets beside the working directory; a root of its own has them.
const BESIDE: &[&str] = &["tmp", "root"];

/// A session's file tree.
#[derive(Debug)]
pub(super) struct Place {
    root: OwnedFd,
    /// The host's name of the root; `/` when the session has a root of its own.
    prefix: PathBuf,
    resolve: ResolveFlags,
    null: OwnedFd,
    /// Where no mount can bring a shared directory to its place: that directory stands in for the place.
    shared: Option<Shared>,
    /// Of a root file system.
    layers: Option<Layers>,
}

/// A directory of the host's that stands for a path of the session's.
#[derive(Debug)]
struct Shared {
    place: String,
    directory: PathBuf,
    opened: OwnedFd,
}

impl Place {
    /// Opens the tree at `root` and makes the working directory.
    pub(super) fn open(root: &Path, own_root: bool, plan: &Plan) -> Result<Self, Failure> {
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        // In a root of its own, an absolute link means what it says; in a private directory it leads out.
        let within = if own_root { ResolveFlags::IN_ROOT } else { ResolveFlags::BENEATH };
        let null_flags = OFlags::RDWR | OFlags::CLOEXEC;
        let place = Self {
            root: openat(CWD, root, flags, Mode::empty()).doing("opening the session's root")?,
            prefix: root.to_owned(),
            resolve: within | ResolveFlags::NO_MAGICLINKS,
            // Opened before a command could put something else there.
            null: openat(CWD, "/dev/null", null_flags, Mode::empty()).doing("opening /dev/null")?,
            shared: if own_root { None } else { Shared::open(plan)? },
            layers: None,
        };
        if !own_root {
            for name in BESIDE {
                place.make_directory(name).doing("making the session's directories")?;
            }
        }
        if place.shared.is_some() {
            return Ok(place);
        }
        let workdir = relative(&plan.workdir);
        place.make_directory(workdir).doing("making the working directory")?;
        if own_root && !plan.workdir.starts_with("/tmp") {
            place.is_writable(workdir).doing("using the working directory (read-only?)")?;
        }
        Ok(place)
    }

    pub(super) fn with_layers(self, layers: Option<Layers>) -> Self {
        Self { layers, ..self }
    }

    /// What was changed of the system; nothing where it is the host's, read-only.
    pub(super) fn changes(&self) -> std::io::Result<Vec<String>> {
        self.layers.as_ref().map_or(Ok(Vec::new()), Layers::changes)
    }

    /// Where the host's kernel finds a session's absolute path.
    pub(super) fn host_path(&self, path: &str) -> PathBuf {
        match self.shared_part(path) {
            Some((shared, "")) => shared.directory.clone(),
            Some((shared, rest)) => shared.directory.join(rest),
            None => self.prefix.join(relative(path)),
        }
    }

    /// The shared directory and the part of `path` below it, if that is where `path` leads.
    fn shared_part<'a>(&self, path: &'a str) -> Option<(&Shared, &'a str)> {
        let shared = self.shared.as_ref()?;
        let rest = path.strip_prefix(&shared.place)?;
        let below = rest.is_empty() || rest.starts_with('/');
        below.then(|| (shared, rest.trim_start_matches('/')))
    }

    /// The private directory, empty where the session has a root of its own.
    pub(super) fn private_root(&self) -> String {
        let own = self.prefix == Path::new("/");
        if own { String::new() } else { self.prefix.display().to_string() }
    }

    pub(super) fn null(&self) -> BorrowedFd<'_> {
        self.null.as_fd()
    }

    /// Opens a session's absolute path, never leading out of the session, never waiting.
    pub(super) fn open_path(
        &self,
        path: &str,
        flags: OFlags,
        mode: Mode,
    ) -> rustix::io::Result<OwnedFd> {
        let mut flags = flags | OFlags::CLOEXEC;
        if !flags.contains(OFlags::PATH) {
            flags |= OFlags::NONBLOCK | OFlags::NOCTTY;
        }
        let (root, path) = match self.shared_part(path) {
            Some((shared, rest)) => (&shared.opened, relative(rest)),
            None => (&self.root, relative(path)),
        };
        // A concurrent rename may make the kernel ask for another try.
        for _ in 0..100 {
            match openat2(root, path, flags, mode, self.resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens a directory, making it and its parents where they are missing.
    pub(super) fn make_directory(&self, path: &str) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::PATH;
        match self.open_path(path, flags, Mode::empty()) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let mut at = self.open_path("/", flags, Mode::empty())?;
        let mut reached = String::new();
        for name in relative(path).split('/') {
            reached.push('/');
            reached.push_str(name);
            match mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => match self.open_path(&reached, flags, Mode::empty()) {
                    // There already, below something that is read-only.
                    Ok(_) => {}
                    Err(_) => return Err(errno),
                },
            }
            at = self.open_path(&reached, flags, Mode::empty())?;
        }
        Ok(at)
    }

    fn is_writable(&self, path: &str) -> rustix::io::Result<()> {
        let at = self.open_path(path, OFlags::DIRECTORY | OFlags::PATH, Mode::empty())?;
        rustix::fs::accessat(&at, ".", rustix::fs::Access::WRITE_OK, rustix::fs::AtFlags::empty())
    }
}

impl Shared {
    fn open(plan: &Plan) -> Result<Option<Self>, Failure> {
        let Some(directory) = plan.workspace.clone().map(PathBuf::from) else { return Ok(None) };
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let opened =
            openat(CWD, &directory, flags, Mode::empty()).doing("opening the workspace")?;
        Ok(Some(Self { place: plan.workdir.clone(), directory, opened }))
    }
}

fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        relative => relative,
    }
}
