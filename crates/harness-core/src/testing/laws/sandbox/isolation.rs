//! Isolation: sessions from each other, the host from sessions, and the truth about both.

use futures::future::join_all;

use super::*;
use crate::sandbox::IsolationLevel;
use crate::task::Upload;
use crate::testing::laws::{dropped_after, skipped, unique};

/// What one session writes, no other sees: neither one that is open beside it, nor one opened later.
pub async fn sessions_do_not_see_each_other(sandbox: &dyn Sandbox) -> LawResult {
    let (one, beside) = (open(sandbox).await?, open(sandbox).await?);
    for path in ["mine", "/tmp/mine", "/mine"] {
        put(&*one, path, b"secret").await?;
    }
    let later = open(sandbox).await?;
    for (which, other) in [("beside it", &beside), ("opened later", &later)] {
        for path in ["mine", "/tmp/mine", "/mine"] {
            let found = get(&**other, path).await.is_ok();
            ensure!(!found, "a session {which} reads '{path}' of another");
        }
        let shown = script(&**other, "ls -A").await?;
        ensure!(shown.is_empty(), "a session {which} lists {:?}", String::from_utf8_lossy(&shown));
    }
    for session in [one, beside, later] {
        close(session).await?;
    }
    Ok(())
}

/// Eight sessions at once each keep their own files and their own output.
pub async fn many_sessions_at_once(sandbox: &dyn Sandbox) -> LawResult {
    let one = async |number: usize| -> LawResult {
        let session = open(sandbox).await?;
        let text = format!("session {number}");
        put(&*session, "own", text.as_bytes()).await?;
        let shown = script(&*session, "sleep 0.05; cat own").await?;
        let own = shown == text.as_bytes();
        ensure!(own, "'{text}' found {:?} in its file", String::from_utf8_lossy(&shown));
        close(session).await
    };
    join_all((0..8).map(one)).await.into_iter().collect()
}

/// Eight commands at once in one session each give their own output.
pub async fn many_commands_at_once(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let one = async |number: usize| -> LawResult {
        let shown =
            script(&*session, &format!("sleep 0.05; echo {number} | tee own-{number}")).await?;
        let own = shown == format!("{number}\n").as_bytes();
        ensure!(own, "command {number} printed {:?}", String::from_utf8_lossy(&shown));
        Ok(())
    };
    let all: LawResult = join_all((0..8).map(one)).await.into_iter().collect();
    all?;
    close(session).await
}

/// The working directory exists and is empty when a session opens.
pub async fn working_directory_starts_empty(sandbox: &dyn Sandbox) -> LawResult {
    for workdir in ["/app", "/not/there/yet"] {
        let environment = Environment { workdir: at(workdir)?, ..Environment::default() };
        let session = sandbox.open(&environment).await?;
        let shown = script(&*session, "ls -A").await?;
        ensure!(shown.is_empty(), "{workdir} starts with {:?}", String::from_utf8_lossy(&shown));
        close(session).await?;
    }
    Ok(())
}

/// `open` leaves files and set-up lines to [`Environment::prepare`]: applied twice, they could do harm.
pub async fn open_applies_no_files(sandbox: &dyn Sandbox) -> LawResult {
    let upload = Upload { path: at("given")?, mode: 0o644, content: b"x".as_slice().into() };
    let environment = Environment {
        files: vec![upload],
        setup: vec!["echo x >> made".to_owned()],
        ..Environment::default()
    };
    let session = sandbox.open(&environment).await?;
    for path in ["given", "made"] {
        ensure!(get(&*session, path).await.is_err(), "`open` made '{path}' already");
    }
    environment.prepare(&*session).await?;
    ensure!(get(&*session, "made").await? == b"x\n", "the set-up line did not run exactly once");
    close(session).await
}

/// No variable of the engine's own environment shows in a command's.
pub async fn engine_variables_are_out_of_sight(sandbox: &dyn Sandbox) -> LawResult {
    // What a session may well set by itself, to the very value it has here.
    let common = |name: &str| {
        [
            "PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "LANG", "USER", "LOGNAME",
            "SHELL", "HOSTNAME", "TZ",
        ]
        .contains(&name)
            || name.starts_with("LC_")
    };
    let decoys: Vec<(String, String)> =
        std::env::vars().filter(|(name, value)| !common(name) && !value.is_empty()).collect();
    if decoys.is_empty() {
        return skipped("this process has no variable that could leak: run it under cargo");
    }
    let session = open(sandbox).await?;
    let shown = script(&*session, "env -0").await?;
    let shown: Vec<&[u8]> = shown.split(|byte| *byte == 0).collect();
    for (name, value) in decoys {
        let leaked = shown.contains(&format!("{name}={value}").as_bytes());
        ensure!(!leaked, "the engine's variable {name} shows in a session");
    }
    close(session).await
}

/// The user's home is not visible, or the sandbox says aloud that it does not isolate at all.
pub async fn home_is_out_of_sight(sandbox: &dyn Sandbox) -> LawResult {
    if sandbox.isolation().level == IsolationLevel::None {
        let aloud = !sandbox.isolation().residual.is_empty();
        ensure!(aloud, "it isolates nothing, and does not say what that leaves open");
        return Ok(());
    }
    let Some((home, entries)) = home_entries() else {
        return skipped("this user has no home directory with anything in it");
    };
    let session = open(sandbox).await?;
    let list = Command::program(["ls", "-A", "--", &home]);
    let shown = run(&*session, &list).await?.stdout.text();
    let visible = entries.iter().all(|entry| shown.lines().any(|line| line == entry));
    ensure!(!visible, "a session lists {entries:?} in {home}");
    close(session).await
}

/// The home of whoever runs this, with what is in it beyond the files that every home has.
fn home_entries() -> Option<(String, Vec<String>)> {
    let home = std::env::home_dir()?;
    let skeleton = [".bashrc", ".profile", ".bash_logout", ".cache", ".config", ".ssh", ".local"];
    let names = std::fs::read_dir(&home).ok()?.flatten();
    let names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !skeleton.contains(&name.as_str()))
        .collect();
    (!names.is_empty()).then(|| (home.to_string_lossy().into_owned(), names))
}

/// A file made at an absolute path of the session is none of the host's.
pub async fn nothing_is_written_to_the_host(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let path = format!("/tmp/{}", unique("law"));
    put(&*session, &path, b"x").await?;
    ensure!(get(&*session, &path).await? == b"x", "'{path}' cannot be read back");
    let leaked = std::path::Path::new(&path).exists();
    let _ = std::fs::remove_file(&path);
    ensure!(!leaked, "'{path}' of a session appeared on the host");
    close(session).await
}

/// What the sandbox says of its isolation is the same before, during and after a session.
pub async fn isolation_is_constant(sandbox: &dyn Sandbox) -> LawResult {
    let before = sandbox.isolation().clone();
    let session = open(sandbox).await?;
    let during = sandbox.isolation().clone();
    close(session).await?;
    let same = before == during && before == *sandbox.isolation();
    ensure!(same, "it said '{before}' before a session and '{during}' during it");
    ensure!(!before.backend.is_empty(), "the backend has no name");
    Ok(())
}

/// When `close` returns, what the session wrote is gone from where it was.
pub async fn close_removes_what_was_written(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let name = unique("law");
    put(&*session, &name, b"x").await?;
    let located = session.locate(&at(&name)?);
    close(session).await?;
    let left = std::path::Path::new(&located).exists();
    ensure!(!left, "'{located}' is still there after `close`");
    let next = open(sandbox).await?;
    ensure!(get(&*next, &name).await.is_err(), "the next session finds a file of the last one");
    close(next).await
}

/// Dropping the future of `open`, early or late, leaves a sandbox whose next session is as good as ever.
pub async fn dropped_open_leaves_a_working_sandbox(sandbox: &dyn Sandbox) -> LawResult {
    for polls in 1..=8 {
        if let Some(opened) = dropped_after(polls, open(sandbox)).await {
            close(opened?).await?;
        }
    }
    let session = promptly("opening a session after dropped ones", open(sandbox)).await??;
    let shown = script(&*session, "echo works; ls -A").await?;
    ensure!(
        shown == b"works\n",
        "after dropped `open`s a session shows {:?}",
        String::from_utf8_lossy(&shown)
    );
    close(session).await
}
