//! What this machine can do, found out by trying, and what to change where it cannot.

use std::fmt;
use std::fs;
use std::sync::Arc;

use harness_core::{Error, ErrorKind, Isolation, IsolationLevel, Result, Sandbox};

use crate::backend::{LandlockSandbox, NamespaceSandbox, UnconfinedSandbox};
use crate::engine::Refusal;

/// Which sandbox to build.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SandboxKind {
    /// The strongest this machine allows, never weaker than `Landlock`. Look at
    /// [`Sandbox::isolation`] before trusting it with commands nobody has read.
    #[default]
    Auto,
    /// [`NamespaceSandbox`], or an error.
    Namespace,
    /// [`LandlockSandbox`], or an error.
    Landlock,
    /// [`UnconfinedSandbox`]: choosing it is the consent.
    Unconfined,
}

impl std::str::FromStr for SandboxKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "namespace" => Ok(Self::Namespace),
            "landlock" => Ok(Self::Landlock),
            "unconfined" => Ok(Self::Unconfined),
            _ => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("'{text}' is no sandbox; there are auto, namespace, landlock, unconfined"),
            )),
        }
    }
}

/// Something this machine does not offer, and how to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What cannot be had: `namespace` or `landlock`.
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

/// Tries each confining sandbox by opening a session in it. Blocks for some milliseconds.
pub fn detect() -> Capabilities {
    let mut found = Capabilities { available: Vec::new(), missing: Vec::new() };
    match NamespaceSandbox::try_new() {
        Ok(sandbox) => found.available.push(sandbox.isolation().clone()),
        Err(refusal) => found.missing.push(missing_namespaces(&refusal)),
    }
    match LandlockSandbox::try_new() {
        Ok(sandbox) => found.available.push(sandbox.isolation().clone()),
        Err(refusal) => found.missing.push(missing_landlock(&refusal)),
    }
    found
}

/// Builds a sandbox. Blocks for some milliseconds: a session is tried.
///
/// [`SandboxKind::Auto`] may give a lower level than namespaces: [`Sandbox::isolation`] says which, and its
/// `residual` begins with why. It never gives [`IsolationLevel::None`].
///
/// # Errors
/// [`ErrorKind::Sandbox`] where this machine refuses, with the settings that forbid it and the remedies.
pub fn build(kind: SandboxKind) -> Result<Arc<dyn Sandbox>> {
    match kind {
        SandboxKind::Namespace => Ok(Arc::new(NamespaceSandbox::new()?)),
        SandboxKind::Landlock => Ok(Arc::new(LandlockSandbox::new()?)),
        SandboxKind::Unconfined => Ok(Arc::new(UnconfinedSandbox::i_accept_no_isolation()?)),
        SandboxKind::Auto => match NamespaceSandbox::try_new() {
            Ok(sandbox) => Ok(Arc::new(sandbox)),
            Err(refusal) => fall_back(&missing_namespaces(&refusal)),
        },
    }
}

fn fall_back(namespaces: &Missing) -> Result<Arc<dyn Sandbox>> {
    match LandlockSandbox::try_new() {
        Ok(sandbox) => Ok(Arc::new(sandbox.with_note(namespaces.to_string()))),
        Err(refusal) => {
            let landlock = missing_landlock(&refusal);
            let why = format!("this machine offers no isolation: {namespaces} {landlock}");
            Err(Error::new(ErrorKind::Sandbox, why))
        }
    }
}

pub(crate) fn explain_namespaces(refusal: &Refusal) -> Error {
    Error::new(ErrorKind::Sandbox, missing_namespaces(refusal).to_string())
}

pub(crate) fn explain_landlock(refusal: &Refusal) -> Error {
    Error::new(ErrorKind::Sandbox, missing_landlock(refusal).to_string())
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
