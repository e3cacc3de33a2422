//! What this machine can do, found out by trying, and what to change where it cannot.

use std::fmt;
use std::fs;
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Isolation, IsolationLevel, Result, Sandbox};

use crate::backend::{Level, LocalSandbox};
use crate::engine::Refusal;
use crate::options::SandboxOptions;

/// Which sandbox to build.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SandboxKind {
    /// The strongest this machine allows, never weaker than `Landlock`. Look at
    /// [`Sandbox::isolation`] before trusting it with commands nobody has read.
    #[default]
    Auto,
    /// Namespaces, with control groups where this machine allows them: [`SandboxKind::Full`] or [`SandboxKind::User`].
    Namespace,
    /// Namespaces and limits that the kernel enforces by control groups, or an error.
    Full,
    /// Namespaces and limits that are watched, or an error.
    User,
    /// A private directory behind Landlock and a system-call filter, or an error.
    Landlock,
    /// A private directory and nothing else: choosing it is the consent.
    Unconfined,
}

impl std::str::FromStr for SandboxKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "namespace" => Ok(Self::Namespace),
            "full" => Ok(Self::Full),
            "user" => Ok(Self::User),
            "landlock" => Ok(Self::Landlock),
            "unconfined" => Ok(Self::Unconfined),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "'{text}' is no sandbox; there are auto, namespace, full, user, landlock, unconfined"
                ),
            )),
        }
    }
}

/// Something this machine does not offer, and how to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What cannot be had: `full`, `namespace` or `landlock`.
    pub feature: String,
    /// The step that was refused, and the kernel's reason.
    pub reason: String,
    /// The setting that most likely forbids it, with its present value.
    pub setting: Option<String>,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not available here: {}.", self.feature, self.reason)?;
        if let Some(setting) = &self.setting {
            write!(f, " Forbidden by {setting}.")?;
        }
        write!(f, " {}", self.remedy)
    }
}

/// What [`detect`] found.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// What can be had, strongest first, with what each does not stop.
    pub available: Vec<Isolation>,
    /// What cannot.
    pub missing: Vec<Missing>,
}

impl Capabilities {
    /// The strongest level that can be had without consenting to none.
    pub fn best(&self) -> Option<IsolationLevel> {
        self.available.first().map(|isolation| isolation.level)
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for isolation in &self.available {
            writeln!(f, "{isolation}: available")?;
            for residual in &isolation.residual {
                writeln!(f, "  does not stop: {residual}")?;
            }
        }
        self.missing.iter().try_for_each(|missing| writeln!(f, "{missing}"))
    }
}

/// Tries each level by opening a session at it. Blocks for some milliseconds.
pub fn detect() -> Capabilities {
    let mut found = Capabilities { available: Vec::new(), missing: Vec::new() };
    for level in [Level::Full, Level::User, Level::Landlock] {
        match LocalSandbox::try_new(SandboxOptions::new(SandboxKind::Auto), level) {
            Ok(sandbox) => found.available.push(sandbox.isolation().clone()),
            Err(refusal) => found.missing.push(missing(level, &refusal)),
        }
    }
    found
}

/// Builds a sandbox with nothing shared and default limits. Blocks for some milliseconds: a session is tried.
///
/// [`SandboxKind::Auto`] may give a lower level than namespaces: [`Sandbox::isolation`] says which, and its
/// `residual` begins with why. It never gives [`IsolationLevel::None`].
///
/// # Errors
/// [`ErrorKind::Sandbox`] where this machine refuses, with the settings that forbid it and the remedies.
pub fn build(kind: SandboxKind) -> Result<Arc<dyn Sandbox>> {
    SandboxOptions::new(kind).build()
}

/// The strongest level that `options.kind` allows and this machine offers.
pub(crate) fn build_as(options: &SandboxOptions) -> Result<LocalSandbox> {
    let levels: &[Level] = match options.kind {
        SandboxKind::Auto => &[Level::Full, Level::User, Level::Landlock],
        SandboxKind::Namespace => &[Level::Full, Level::User],
        SandboxKind::Full => &[Level::Full],
        SandboxKind::User => &[Level::User],
        SandboxKind::Landlock => &[Level::Landlock],
        SandboxKind::Unconfined => &[Level::Unconfined],
    };
    if options.root.is_some() && levels.last() > Some(&Level::User) {
        return Err(Error::new(ErrorKind::InvalidInput, ROOT_WITHOUT_NAMESPACES));
    }
    // Nobody's level is lowered because what was asked for works at none.
    options.check()?;
    let mut notes: Vec<String> = Vec::new();
    for level in levels {
        match LocalSandbox::try_new(options.clone(), *level) {
            Ok(sandbox) => {
                let noted = notes.into_iter().rev().fold(sandbox, LocalSandbox::with_note);
                return Ok(noted);
            }
            Err(refusal) => notes.push(missing(*level, &refusal).to_string()),
        }
    }
    let why = format!("this machine does not offer what was asked for: {}", notes.join(" "));
    Err(Error::new(ErrorKind::Sandbox, why))
}

const ROOT_WITHOUT_NAMESPACES: &str = "a root file system needs namespaces: ask for the sandbox \
                                       `namespace`, `full` or `user`";

fn missing(level: Level, refusal: &Refusal) -> Missing {
    match level {
        Level::Full if is_about_control_groups(&refusal.doing) => missing_control_groups(refusal),
        Level::Full | Level::User => missing_namespaces(refusal),
        Level::Landlock => missing_landlock(refusal),
        Level::Unconfined => Missing {
            feature: "unconfined".to_owned(),
            reason: refusal.to_string(),
            setting: None,
            remedy: "It needs nothing but a directory that can be written.".to_owned(),
        },
    }
}

fn is_about_control_groups(doing: &str) -> bool {
    ["control group", "controllers", "memory.", "pids.", "cpu."]
        .iter()
        .any(|word| doing.contains(word))
}

fn missing_control_groups(refusal: &Refusal) -> Missing {
    Missing {
        feature: "full".to_owned(),
        reason: refusal.to_string(),
        setting: None,
        remedy: "It needs control groups that this user may make: run the engine as root, or (version 2) have \
                 them delegated, for one by `systemd-run --user --scope -p Delegate=yes COMMAND`; a container \
                 needs /sys/fs/cgroup writable."
            .to_owned(),
    }
}

fn missing_namespaces(refusal: &Refusal) -> Missing {
    let (setting, remedy) = namespace_settings(|name| {
        fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/")))
            .ok()
            .map(|value| value.trim().to_owned())
    });
    Missing { feature: "namespace".to_owned(), reason: refusal.to_string(), setting, remedy }
}

/// Which of the settings known to forbid user namespaces does, and what to do.
fn namespace_settings(read: impl Fn(&str) -> Option<String>) -> (Option<String>, String) {
    // Name, the value that forbids, the value that allows.
    let forbidding = [
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    for (name, forbids, wanted) in forbidding {
        if let Some(value) = read(name).filter(|value| value == forbids) {
            let remedy = format!(
                "An administrator can allow them with `sysctl -w {name}={wanted}`, or with an AppArmor \
                 profile that grants `userns` to this program."
            );
            return (Some(format!("{name} = {value}")), remedy);
        }
    }
    let remedy = "No setting that is known to forbid them does: inside a container, its seccomp or \
                  AppArmor profile may (Docker: `--security-opt seccomp=unconfined --security-opt \
                  apparmor=unconfined --security-opt systempaths=unconfined`); the kernel must be \
                  5.12 or newer.";
    (None, remedy.to_owned())
}

fn missing_landlock(refusal: &Refusal) -> Missing {
    let list = fs::read_to_string("/sys/kernel/security/lsm").ok();
    let setting = list
        .filter(|list| !list.contains("landlock"))
        .map(|list| format!("the kernel's parameter lsm={}", list.trim()));
    let remedy = "It needs Linux 5.13 or newer built with CONFIG_SECURITY_LANDLOCK, `landlock` in the \
                  kernel's `lsm=` parameter, and a container profile that allows its system calls.";
    Missing {
        feature: "landlock".to_owned(),
        reason: refusal.to_string(),
        setting,
        remedy: remedy.to_owned(),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_forbidding_setting_is_named_with_its_remedy() {
        for (name, value) in [
            ("user.max_user_namespaces", "0"),
            ("kernel.unprivileged_userns_clone", "0"),
            ("kernel.apparmor_restrict_unprivileged_userns", "1"),
        ] {
            let read = |asked: &str| (asked == name).then(|| value.to_owned());
            let (setting, remedy) = namespace_settings(read);
            assert_eq!(setting.as_deref(), Some(format!("{name} = {value}").as_str()));
            assert!(remedy.contains(&format!("sysctl -w {name}=")), "{remedy}");
        }
    }

    #[test]
    fn allowing_settings_are_not_blamed() {
        let read = |asked: &str| {
            let zero = asked == "kernel.apparmor_restrict_unprivileged_userns";
            Some(if zero { "0" } else { "1" }.to_owned())
        };
        assert_eq!(namespace_settings(read).0, None);
    }
}
