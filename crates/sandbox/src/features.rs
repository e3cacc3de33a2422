//! What the kernel and the machine's settings offer, one by one: for people who want to know why a level is what it is.

use std::fmt;
use std::fs;
use std::path::Path;

use landlock::{
    AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetError, Scope,
};

/// One thing that isolation builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Whether it is there, and what was looked at.
    pub found: std::result::Result<String, String>,
    /// What brings it, for one that is missing.
    pub remedy: &'static str,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Ok(what) => write!(f, "{:24} yes  {what}", self.name),
            Err(what) => write!(f, "{:24} no   {what}. {}", self.name, self.remedy),
        }
    }
}

/// Looks at each. Changes nothing; [`detect`](crate::detect) is what tries.
pub fn features() -> Vec<Feature> {
    let feature = |name, found, remedy| Feature { name, found, remedy };
    vec![
        feature("kernel", kernel(), "Linux 5.13 or newer is needed; 6.12 for Landlock's scopes."),
        feature(
            "user namespaces",
            setting("user.max_user_namespaces", |value| value != "0"),
            "`sysctl -w user.max_user_namespaces=15000`",
        ),
        feature(
            "unprivileged (Debian)",
            setting("kernel.unprivileged_userns_clone", |value| value != "0"),
            "`sysctl -w kernel.unprivileged_userns_clone=1`",
        ),
        feature(
            "unprivileged (AppArmor)",
            setting("kernel.apparmor_restrict_unprivileged_userns", |value| value != "1"),
            "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile that grants `userns`",
        ),
        feature(
            "Landlock",
            landlock(),
            "Linux 5.13 or newer, `landlock` in the kernel's `lsm=` parameter, and a container profile that allows its calls.",
        ),
        feature("seccomp", seccomp(), "The kernel needs CONFIG_SECCOMP_FILTER."),
        feature(
            "control groups",
            control_groups(),
            "Run as root, or have them delegated: `systemd-run --user --scope -p Delegate=yes COMMAND`.",
        ),
        feature("overlayfs", overlay(), "`modprobe overlay`; only root file systems need it."),
        feature(
            "subordinate ids",
            subordinate(),
            "Install `uidmap` and run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`; only root \
             file systems of an ordinary user need them.",
        ),
        feature(
            "open files",
            open_files(),
            "Raise it: `ulimit -Hn 20000`; a live session takes a few.",
        ),
    ]
}

type Found = std::result::Result<String, String>;

fn kernel() -> Found {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 13) { Ok(release) } else { Err(release) }
}

/// A setting that does not exist forbids nothing.
fn setting(name: &str, allows: impl Fn(&str) -> bool) -> Found {
    match fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))) {
        Err(_) => Ok(format!("{name} is not there")),
        Ok(value) => {
            let text = format!("{name} = {}", value.trim());
            if allows(value.trim()) { Ok(text) } else { Err(text) }
        }
    }
}

/// Asked of the kernel: the list of security modules is often closed to readers, and a container's profile may forbid the calls.
fn landlock() -> Found {
    let made = |scopes: bool| -> std::result::Result<(), RulesetError> {
        let strictly = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let rules = strictly.handle_access(AccessFs::Execute)?;
        let rules = if scopes { rules.scope(Scope::Signal)? } else { rules };
        rules.create().map(drop)
    };
    match (made(false), made(true)) {
        (Err(error), _) => Err(error.to_string()),
        (Ok(()), Err(_)) => {
            Ok("files; Linux 6.12 or newer brings scopes for signals and sockets".to_owned())
        }
        (Ok(()), Ok(())) => Ok("files, and scopes for signals and sockets".to_owned()),
    }
}

fn seccomp() -> Found {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    actions.map(|text| text.trim().to_owned()).map_err(|error| error.to_string())
}

fn control_groups() -> Found {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let of = |kind: &str| mounts.contains(&format!(" - {kind} "));
    let version = match (of("cgroup"), of("cgroup2")) {
        (true, true) => "versions 1 and 2 are mounted",
        (true, false) => "version 1 is mounted",
        (false, true) => "version 2 is mounted",
        (false, false) => return Err("none are mounted".to_owned()),
    };
    Ok(format!("{version}; whether they can be used, the levels below tell"))
}

fn overlay() -> Found {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let there = known.lines().any(|line| line.trim_start_matches("nodev").trim() == "overlay");
    if there {
        Ok("in /proc/filesystems".to_owned())
    } else {
        Err("not in /proc/filesystems".to_owned())
    }
}

fn subordinate() -> Found {
    if rustix::process::geteuid().is_root() {
        return Ok("root maps ids without a helper".to_owned());
    }
    let helper = ["/usr/bin/newuidmap", "/bin/newuidmap", "/usr/local/bin/newuidmap"];
    if !helper.iter().any(|path| Path::new(path).exists()) {
        return Err("newuidmap is not installed".to_owned());
    }
    let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
    match ranges.lines().count() {
        0 => Err("/etc/subuid is empty".to_owned()),
        count => Ok(format!("newuidmap, and {count} ranges in /etc/subuid")),
    }
}

fn open_files() -> Found {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    let text = format!("soft {}, hard {hard}", limit.current.unwrap_or(u64::MAX));
    if hard >= 1024 { Ok(text) } else { Err(text) }
}
