//! Expected verdicts, and the table of them in `docs/security.md`.

use std::path::PathBuf;

/// Who must be able to do it outside of any sandbox, so that the probe proves something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Any user.
    Anyone,
    /// Root: where the tests run as somebody else, the control is not expected to bite.
    Root,
}

/// What becomes of a probe at the level `landlock`. At `full` and `user` every probe is contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Contained,
    /// Not stopped: documented.
    Bites,
    /// Not stopped where the engine is an ordinary user, whose processes the session's are.
    BitesAsUser,
}

impl Expect {
    pub(crate) fn bites(self) -> bool {
        match self {
            Self::Contained => false,
            Self::Bites => true,
            Self::BitesAsUser => !is_root(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Contained => "contained",
            Self::Bites => "**not stopped**",
            Self::BitesAsUser => "**not stopped** for a user's engine",
        }
    }
}

pub(crate) struct Probe {
    pub(crate) family: &'static str,
    pub(crate) name: &'static str,
    pub(crate) script: &'static str,
    pub(crate) control: Control,
    pub(crate) landlock: Expect,
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A row of the table: family, probe, verdict at full and user, at landlock, without a sandbox.
pub(crate) struct Row {
    family: String,
    name: String,
    namespaces: &'static str,
    landlock: &'static str,
    without: &'static str,
}

impl Row {
    pub(crate) fn of(probe: &Probe) -> Self {
        Self {
            family: probe.family.to_owned(),
            name: probe.name.to_owned(),
            namespaces: Expect::Contained.word(),
            landlock: probe.landlock.word(),
            without: match probe.control {
                Control::Anyone => "bites",
                Control::Root => "bites as root",
            },
        }
    }

    pub(crate) fn contained(family: &str, name: &str) -> Self {
        Self {
            family: family.to_owned(),
            name: name.to_owned(),
            namespaces: "contained",
            landlock: "contained",
            without: "bites",
        }
    }

    pub(crate) fn with_landlock(mut self, landlock: &'static str) -> Self {
        self.landlock = landlock;
        self
    }
}

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")
}

const BEGIN: &str = "<!-- begin: written by tests/battery -->\n";
const END: &str = "<!-- end: written by tests/battery -->";

/// Compares the table in the document with `rows`; with `HARNESS_WRITE_DOCS=1` it is written instead.
pub(crate) fn check(rows: &[Row]) {
    let mut table = String::from(
        "| family | probe | `full`, `user` | `landlock` | no sandbox |\n|---|---|---|---|---|\n",
    );
    for Row { family, name, namespaces, landlock, without } in rows {
        table += &format!("| {family} | {name} | {namespaces} | {landlock} | {without} |\n");
    }
    let path = document();
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the table has a beginning");
    let (found, after) = rest.split_once(END).expect("the table has an end");
    if std::env::var_os("HARNESS_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, table, "HARNESS_WRITE_DOCS=1 writes the table into docs/security.md");
}
