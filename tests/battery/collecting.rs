//! What an agent leaves for whoever copies its work out. The control is a naive copy by `cp`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use harness_sandbox::{CollectLimits, collect};

use crate::table::Row;

/// A name, how the trap is set in `from` beside a `secret`, and whether a copy fell into it.
struct Trap {
    name: &'static str,
    set: &'static str,
    fell: fn(&Path) -> bool,
}

fn has_secret(copy: &Path) -> bool {
    fs::read_to_string(copy).is_ok_and(|text| text.contains("treasure"))
}

const TRAPS: &[Trap] = &[
    Trap {
        name: "a link to a file",
        set: "ln -s ../secret/key key",
        fell: |to| has_secret(&to.join("key")),
    },
    Trap {
        name: "a link to a directory",
        set: "ln -s ../secret d",
        fell: |to| has_secret(&to.join("d/key")),
    },
    Trap {
        name: "an absolute link",
        set: "ln -s \"$(realpath ../secret/key)\" key",
        fell: |to| has_secret(&to.join("key")),
    },
    Trap {
        name: "a set-user-id file",
        set: "cp /bin/true s; chmod 4755 s",
        fell: |to| fs::metadata(to.join("s")).is_ok_and(|s| s.permissions().mode() & 0o4000 != 0),
    },
    Trap {
        name: "a name with control characters",
        set: "touch \"$(printf 'a\\033[31mb')\"",
        fell: |to| to.join("a\u{1b}[31mb").exists(),
    },
    Trap {
        name: "a name with a line break",
        set: "touch \"$(printf 'a\\nb')\"",
        fell: |to| to.join("a\nb").exists(),
    },
    Trap {
        name: "a hundred levels",
        set: "mkdir -p \"$(printf 'd/%.0s' $(seq 100))\"",
        fell: |to| to.join("d/".repeat(100)).exists(),
    },
    Trap {
        name: "a sparse file of a gibibyte and more",
        set: "truncate -s 1100M sparse",
        fell: |to| fs::metadata(to.join("sparse")).is_ok_and(|s| s.len() > 1 << 30),
    },
    Trap { name: "a FIFO", set: "mkfifo f", fell: |to| to.join("f").exists() },
];

pub(crate) fn rows() -> Vec<Row> {
    TRAPS.iter().map(|trap| Row::contained("collection", trap.name)).collect()
}

fn set(trap: &Trap) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("from")).unwrap();
    fs::create_dir(place.path().join("secret")).unwrap();
    fs::write(place.path().join("secret/key"), "treasure").unwrap();
    let from = place.path().join("from");
    let set = Command::new("bash").args(["-c", trap.set]).current_dir(from).status();
    assert!(set.unwrap().success(), "{}", trap.name);
    place
}

#[test]
fn a_naive_copy_falls_into_every_trap() {
    for trap in TRAPS {
        let place = set(trap);
        // `-R` keeps a FIFO one, where opening it would wait for ever.
        let follow = if trap.name.contains("FIFO") { "-R" } else { "-LR" };
        let copied = Command::new("cp")
            .args([follow, "--sparse=always", "--preserve=mode", "from", "to"])
            .current_dir(place.path())
            .status()
            .unwrap();
        assert!(copied.success() && (trap.fell)(&place.path().join("to")), "{}", trap.name);
    }
}

#[test]
fn the_safe_walk_falls_into_none() {
    for trap in TRAPS {
        let place = set(trap);
        let to = place.path().join("to");
        // Refused as a whole is as good.
        let _ = collect(&place.path().join("from"), &to, CollectLimits::default());
        assert!(!(trap.fell)(&to), "{}", trap.name);
    }
}
