//! The tools that people use by hand, as they use them: the built programs, at every level.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use harness_sandbox::SandboxKind;

use crate::{level, wait_until};

/// An example beside this test's binary, which cargo builds with it.
fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo build --examples`", path.display());
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn exec(level: &str, options: &[&str], script: &str) -> (i32, String, String) {
    let mut command = program("sandbox_run");
    command.args(["exec", "--level", level]).args(options).args(["--", "bash", "-c", script]);
    said(&command.output().unwrap())
}

fn levels() -> Vec<&'static str> {
    let all = [
        (SandboxKind::Full, "full"),
        (SandboxKind::User, "user"),
        (SandboxKind::Landlock, "landlock"),
    ];
    all.into_iter().filter(|(kind, _)| level(*kind).is_some()).map(|(_, name)| name).collect()
}

#[test]
fn exec_passes_streams_and_the_true_status_through() {
    for level in levels() {
        let (code, stdout, stderr) = exec(level, &[], "echo out; echo err >&2; exit 7");
        assert_eq!((code, stdout.as_str()), (7, "out\n"), "{level}: {stderr}");
        assert!(stderr.contains("err\n") && stderr.contains("sandbox_run: "), "{level}: {stderr}");
        for (script, expected) in [
            ("true", 0),
            ("kill -9 $$", 137),
            ("kill -TERM $$", 143),
            ("exec /nowhere/to/be/found", 127),
        ] {
            let (code, _, stderr) = exec(level, &[], script);
            assert_eq!(code, expected, "{level}: {script}: {stderr}");
        }
        let (code, _, stderr) = exec(level, &["--timeout", "300ms"], "trap '' TERM; sleep 100");
        assert_eq!(code, 124, "{level}: {stderr}");
        let (code, stdout, stderr) =
            exec(level, &["--output", "10"], "head -c 1000 /dev/zero | tr '\\0' x");
        assert_eq!((code, stdout.as_str()), (0, "xxxxxxxxxx"), "{level}");
        assert!(
            stderr.contains("990 bytes of stdout beyond --output were dropped"),
            "{level}: {stderr}"
        );
    }
}

#[test]
fn exec_works_in_the_directory_that_is_named() {
    for level in levels() {
        let directory = tempfile::tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            // Without namespaces only an ordinary owner can share one.
            std::os::unix::fs::chown(directory.path(), Some(12_345), Some(12_345)).unwrap();
        }
        let path = directory.path().to_str().unwrap();
        let (code, _, stderr) = exec(level, &["--workspace", path], "echo made > made");
        assert_eq!(code, 0, "{level}: {stderr}");
        assert_eq!(fs::read_to_string(directory.path().join("made")).unwrap(), "made\n", "{level}");
    }
}

/// Every owner in a tree, links not followed.
fn owners(directory: &std::path::Path, found: &mut Vec<u32>) {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::symlink_metadata(directory).unwrap();
    found.extend([metadata.uid(), metadata.gid()]);
    if metadata.is_dir() {
        fs::read_dir(directory).unwrap().for_each(|entry| owners(&entry.unwrap().path(), found));
    }
}

/// Without an id map it was refused where it belonged to root, as every directory of a root's does.
#[test]
fn exec_works_in_a_directory_of_roots() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for level in levels() {
        let place = tempfile::tempdir().unwrap();
        let work = place.path().join("work");
        fs::create_dir_all(work.join("deep/er")).unwrap();
        fs::write(place.path().join("outside"), "o").unwrap();
        fs::write(work.join("deep/er/file"), "f").unwrap();
        fs::write(place.path().join("elsewhere"), "e").unwrap();
        fs::hard_link(place.path().join("elsewhere"), work.join("shared")).unwrap();
        std::os::unix::fs::symlink(place.path().join("outside"), work.join("link")).unwrap();
        let script = "echo more >> deep/er/file && mkdir -p new/est && echo made > new/est/made; echo lost >> link; exit 7";
        let (code, _, stderr) = exec(level, &["--workspace", work.to_str().unwrap()], script);
        assert_eq!(code, 7, "{level}: {stderr}");
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(work.join("deep/er/file")), "fmore\n", "{level}: {stderr}");
        assert_eq!(read(work.join("new/est/made")), "made\n", "{level}: {stderr}");
        assert_eq!(read(place.path().join("outside")), "o", "{level}");
        let mut found = Vec::new();
        owners(place.path(), &mut found);
        assert!(found.iter().all(|owner| *owner == 0), "{level}: {found:?}");
        let bomb = "python3 -c 'import os, time\nfor _ in range(60): os.fork() or time.sleep(100)'";
        let limited = ["--workspace", work.to_str().unwrap(), "--pids", "20"];
        let (code, _, stderr) = exec(level, &limited, bomb);
        assert!(code == 1 && stderr.contains("BlockingIOError"), "{level}: {code}: {stderr}");
        if level == "landlock" {
            let script = "echo lost >> shared";
            exec(level, &["--workspace", work.to_str().unwrap()], script);
            assert_eq!(read(work.join("shared")), "e", "it has a name elsewhere");
        }
    }
}

/// Its owner would be another one meanwhile. Asked of the one such place whose owner nobody can change, should it not be refused.
#[test]
fn what_the_machine_lives_in_is_not_lent() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for directory in ["/proc", "/proc/sys"] {
        let (code, _, stderr) = exec("landlock", &["--workspace", directory], "true");
        let told = stderr.contains("would belong to another user");
        assert!(code == 2 && told, "{directory}: {code}: {stderr}");
    }
}

/// Whoever reads the output decided when the time was over: nothing ended while they did not.
#[test]
fn a_time_out_needs_nobody_to_read() {
    for level in levels() {
        let mark = format!("unread-{}-{level}", std::process::id());
        let mut command = program("sandbox_run");
        command.args(["exec", "--level", level, "--timeout", "300ms", "--", "yes", &mark]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // Should it wait for its reader, the pipe's end ends that when this test fails.
        let mut ended = None;
        wait_until("the command's time", || {
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.and_then(|status| status.code()), Some(124), "{level}");
    }
}

/// A directory that was lent to a session's user is given back however the program is asked to end.
#[test]
fn a_signal_ends_the_session_in_order() {
    for level in levels() {
        let place = tempfile::tempdir().unwrap();
        if !rustix::process::geteuid().is_root() && level == "full" {
            continue;
        }
        let mut command = program("sandbox_run");
        command.args(["exec", "--level", level, "--workspace"]).arg(place.path());
        command.args(["--", "bash", "-c", "trap '' TERM INT; touch begun; sleep 1000"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the command's beginning", || place.path().join("begun").exists());
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(143), "{level}");
        let (mut found, own) = (Vec::new(), rustix::process::geteuid().as_raw());
        owners(place.path(), &mut found);
        let gid = rustix::process::getegid().as_raw();
        assert!(found.iter().all(|id| *id == own || *id == gid), "{level}: {found:?}");
    }
}

#[test]
fn exec_stands_on_a_root_file_system() {
    let Ok(tarball) = std::env::var("HARNESS_TEST_TARBALL") else {
        assert!(
            std::env::var("HARNESS_TEST_REQUIRE").unwrap_or_default().is_empty(),
            "required, but: HARNESS_TEST_TARBALL is not set"
        );
        return;
    };
    let store = std::env::var("HARNESS_TEST_STORE")
        .unwrap_or_else(|_| concat!(env!("CARGO_TARGET_TMPDIR"), "/roots").to_owned());
    for level in levels().into_iter().filter(|level| *level != "landlock") {
        let options = ["--root", &tarball, "--store", &store];
        let (code, stdout, stderr) = exec(level, &options, ". /etc/os-release; echo $ID; id -u");
        assert_eq!((code, stdout.as_str()), (0, "debian\n0\n"), "{level}: {stderr}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let wrong: [(&[&str], i32, &str); 9] = [
        (&["exec", "--level", "fortress", "--", "true"], 2, "fortress"),
        (&["exec", "--no-such-flag", "--", "true"], 2, "no-such-flag"),
        (&["exec"], 2, "COMMAND"),
        (&["exec", "--workspace", "/nowhere", "--", "true"], 2, "/nowhere is not a directory"),
        (&["exec", "--root", "/nowhere.tar", "--", "true"], 2, "/nowhere.tar"),
        // Once taken for no limit at all, or for a machine that offers less.
        (&["exec", "--disk", "0", "--", "true"], 2, "0 bytes of storage"),
        (&["exec", "--disk", "1", "--", "true"], 2, "1 bytes of storage"),
        (&["exec", "--memory", "1", "--", "true"], 2, "1 bytes of memory"),
        (&["exec", "--pids", "1", "--", "true"], 2, "1 processes"),
    ];
    for (arguments, expected, words) in wrong {
        let (code, _, stderr) = said(&program("sandbox_run").args(arguments).output().unwrap());
        assert_eq!(code, expected, "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

#[test]
fn collect_and_verify_judge_what_is_declared() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { place.path().join(name) };
    for name in ["work", "tests"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("work/answer.txt"), "right\n").unwrap();
    fs::write(at("work/other"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at("work/link")).unwrap();
    let tests = "if [ \"$(cat answer.txt)\" = right ] && [ ! -e other ]; then echo 1; else echo 0; fi > \"$VERIFIER_LOGS_PATH/reward.txt\"\n";
    fs::write(at("tests/test.sh"), tests).unwrap();
    let mut collect = program("sandbox_run");
    let (code, stdout, _) = said(
        &collect
            .arg("collect")
            .arg("--from")
            .arg(at("work"))
            .arg("--to")
            .arg(at("copy"))
            .output()
            .unwrap(),
    );
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("left out: ") && at("copy/answer.txt").exists(), "{stdout}");
    assert!(at("copy/link").symlink_metadata().is_err());
    for level in levels() {
        let verify = |more: &[&str]| {
            let mut command = program("sandbox_run");
            command.args(["verify", "--level", level]).arg("--workspace").arg(at("work"));
            said(&command.arg("--tests").arg(at("tests")).args(more).output().unwrap())
        };
        let (code, stdout, stderr) = verify(&["--artifact", "answer.txt"]);
        assert_eq!(code, 0, "{level}: {stdout}{stderr}");
        let (code, stdout, _) = verify(&[]);
        assert_eq!(code, 1, "{level}: all of it was declared: {stdout}");
        let (code, _, stderr) = verify(&["--artifact", "../tests/test.sh"]);
        assert_eq!(code, 2, "{level}: {stderr}");
    }
}

/// A file too large to be collected once voided what had been declared beside it, and an empty directory was lost.
#[test]
fn verify_judges_what_is_declared_beside_a_bomb() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { place.path().join(name) };
    fs::create_dir(at("tests")).unwrap();
    fs::create_dir_all(at("work/out/empty")).unwrap();
    fs::File::create(at("work/bomb")).unwrap().set_len(1 << 40).unwrap();
    let tests =
        "if [ -d out/empty ]; then echo 1; else echo 0; fi > \"$VERIFIER_LOGS_PATH/reward.txt\"\n";
    fs::write(at("tests/test.sh"), tests).unwrap();
    for level in levels() {
        let verify = |more: &[&str]| {
            let mut command = program("sandbox_run");
            command.args(["verify", "--level", level]).arg("--workspace").arg(at("work"));
            said(&command.arg("--tests").arg(at("tests")).args(more).output().unwrap())
        };
        let (code, stdout, stderr) = verify(&["--artifact", "out"]);
        assert_eq!(code, 0, "{level}: {stdout}{stderr}");
        let (code, stdout, _) = verify(&[]);
        assert_eq!(code, 3, "{level}: {stdout}");
        assert!(stdout.contains("not judged") && stdout.contains("1073741824"), "{stdout}");
    }
}

/// Both were once told as what the machine does not offer.
#[test]
fn a_place_that_cannot_be_used_is_named() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = tempfile::tempdir().unwrap();
    let odd = place.path().join(std::ffi::OsStr::from_bytes(b"n\xff"));
    fs::create_dir(&odd).unwrap();
    let mut command = program("sandbox_run");
    command.arg("exec").arg("--workspace").arg(&odd).args(["--", "true"]);
    let (code, _, stderr) = said(&command.output().unwrap());
    assert!(code == 2 && stderr.contains("no UTF-8"), "{code}: {stderr}");
    let mut command = program("sandbox_run");
    command.args(["exec", "--", "true"]).env("TMPDIR", "/nowhere");
    let (code, _, stderr) = said(&command.output().unwrap());
    assert!(code == 2 && stderr.contains("/nowhere is none"), "{code}: {stderr}");
}

/// A level below the strongest says what it lacks.
#[test]
fn exec_names_what_is_left_undefended() {
    for level in levels() {
        let (_, _, stderr) = exec(level, &[], "true");
        assert_eq!(stderr.contains("sandbox_run: - "), level != "full", "{level}: {stderr}");
    }
}

/// A number of processes beyond what control groups take once lowered the level.
#[test]
fn a_limit_beyond_all_lowers_no_level() {
    let Some(best) = levels().first().copied() else { return };
    let limits = [
        "--pids",
        "4294967295",
        "--memory",
        "18446744073709551615",
        "--disk",
        "18446744073709551615",
    ];
    let (code, _, stderr) = exec("auto", &limits, "true");
    let named = if best == "landlock" { "restricted" } else { best };
    assert!(code == 0 && stderr.contains(&format!("({named})")), "{code}: {stderr}");
}

/// It said "yes" where nobody had asked the kernel.
#[test]
fn doctor_asks_the_kernel_whether_landlock_is_there() {
    let (_, stdout, _) = said(&program("doctor").output().unwrap());
    let line = stdout.lines().find(|line| line.trim().starts_with("Landlock ")).unwrap();
    assert_eq!(line.contains("yes  files"), levels().contains(&"landlock"), "{line}");
}

#[test]
fn doctor_tells_what_there_is() {
    let (code, stdout, stderr) = said(&program("doctor").output().unwrap());
    let best = levels().first().copied();
    assert_eq!(code == 0, best.is_some(), "{stdout}{stderr}");
    for word in
        ["user namespaces", "Landlock", "seccomp", "control groups", "overlayfs", "--sandbox auto"]
    {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
}
