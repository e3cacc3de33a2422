//! Files: what is written is read, by the session and by its commands alike.

use super::*;

/// Every byte value comes back as it was written.
pub async fn bytes_round_trip(sandbox: &dyn Sandbox) -> LawResult {
    let bytes: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    round_trip(sandbox, "bytes.bin", &bytes).await
}

/// An empty file exists and is empty.
pub async fn empty_file_round_trips(sandbox: &dyn Sandbox) -> LawResult {
    round_trip(sandbox, "empty", b"").await
}

/// Five mebibytes come back as they were written.
pub async fn large_file_round_trips(sandbox: &dyn Sandbox) -> LawResult {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    round_trip(sandbox, "large.bin", &noise.take(5 << 20).collect::<Vec<u8>>()).await
}

/// Names with spaces, quotes, a newline, a leading dash or letters beyond ASCII are names like any other.
pub async fn odd_names_round_trip(sandbox: &dyn Sandbox) -> LawResult {
    for name in ["with space", "quote'\"", "new\nline", "-dash", "$HOME", "Grüße 你好", "*"] {
        round_trip(sandbox, name, name.as_bytes()).await?;
    }
    Ok(())
}

async fn round_trip(sandbox: &dyn Sandbox, name: &str, bytes: &[u8]) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, name, bytes).await?;
    let back = get(&*session, name).await?;
    let (wrote, read) = (bytes.len(), back.len());
    ensure!(back == bytes, "{name:?}: wrote {wrote} bytes, read {read} that are not the same");
    close(session).await
}

/// A written file has the permission bits asked for, whatever the umask.
pub async fn mode_bits_are_set(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    for mode in [0o755, 0o644, 0o600, 0o666] {
        session.write(&at("file")?, File { bytes: b"#!/bin/sh\n", mode }).await?;
        let shown = script(&*session, "stat -c %a file").await?;
        let shown = String::from_utf8_lossy(&shown).trim().to_owned();
        ensure!(shown == format!("{mode:o}"), "asked for mode {mode:o}, got {shown}");
    }
    close(session).await
}

/// Reading what is not there is [`ErrorKind::NotFound`].
pub async fn missing_file_is_not_found(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    for path in ["missing", "missing/below", "/missing"] {
        let result = get(&*session, path).await;
        ensure!(
            is_kind(&result, &[ErrorKind::NotFound]),
            "reading '{path}', which is missing, gave {}",
            seen(&result)
        );
    }
    close(session).await
}

/// Reading or replacing a directory is [`ErrorKind::NotAFile`].
pub async fn directory_is_not_a_file(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "directory/inside", b"kept").await?;
    for path in ["directory", "."] {
        let read = get(&*session, path).await;
        let refused = is_kind(&read, &[ErrorKind::NotAFile]);
        ensure!(refused, "reading the directory '{path}' gave {}", seen(&read));
    }
    let write = put(&*session, "directory", b"x").await;
    let refused = is_kind(&write, &[ErrorKind::NotAFile]);
    ensure!(refused, "writing a file over a directory gave {}", seen(&write));
    ensure!(get(&*session, "directory/inside").await? == b"kept", "the directory lost its content");
    close(session).await
}

/// Missing parent directories are made.
pub async fn write_makes_parents(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    for path in ["a/b/c/file", "/new/from/root"] {
        let written = put(&*session, path, b"deep").await;
        ensure!(written.is_ok(), "writing '{path}' gave {}", seen(&written));
        ensure!(get(&*session, path).await? == b"deep", "'{path}' does not hold what was written");
    }
    close(session).await
}

/// A path through a file is [`ErrorKind::NotAFile`], and the file stays.
pub async fn write_through_a_file_is_refused(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "file", b"kept").await?;
    let result = put(&*session, "file/below", b"x").await;
    let refused = is_kind(&result, &[ErrorKind::NotAFile]);
    ensure!(refused, "writing below a file gave {}", seen(&result));
    ensure!(get(&*session, "file").await? == b"kept", "the file in the way was changed");
    close(session).await
}

/// Writing over a file leaves the new bytes alone: no rest of a longer old one.
pub async fn write_replaces(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "file", b"a long first content").await?;
    put(&*session, "file", b"short").await?;
    let back = get(&*session, "file").await?;
    ensure!(
        back == b"short",
        "after writing over it, it holds {:?}",
        String::from_utf8_lossy(&back)
    );
    close(session).await
}

/// A command reads what `write` wrote.
pub async fn commands_see_what_was_written(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "given", b"by write").await?;
    let shown = script(&*session, "if [ -f given ]; then cat given; else echo nothing; fi").await?;
    ensure!(shown == b"by write", "a command saw {:?}", String::from_utf8_lossy(&shown));
    close(session).await
}

/// `read` reads what a command wrote.
pub async fn read_sees_what_commands_wrote(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    script(&*session, "mkdir -p out && printf 'by command' > out/made").await?;
    let back = get(&*session, "out/made").await;
    let right = back.as_ref().is_ok_and(|bytes| bytes == b"by command");
    ensure!(right, "reading what a command wrote gave {}", seen(&back));
    close(session).await
}

/// A relative path is below the environment's working directory, for `read`, `write` and commands.
pub async fn relative_paths_are_in_the_working_directory(sandbox: &dyn Sandbox) -> LawResult {
    for workdir in ["/app", "/srv/deep/er"] {
        let environment = Environment { workdir: at(workdir)?, ..Environment::default() };
        let session = sandbox.open(&environment).await?;
        put(&*session, "below", b"relative").await?;
        let path = format!("{workdir}/below");
        let absolute = get(&*session, &path).await;
        let same = absolute.as_ref().is_ok_and(|bytes| bytes == b"relative");
        ensure!(same, "'below' was written, and reading '{path}' gave {}", seen(&absolute));
        let shown = script(&*session, "if [ -f below ]; then cat ./below; fi").await?;
        ensure!(shown == b"relative", "commands do not start in the working directory {workdir}");
        close(session).await?;
    }
    Ok(())
}

/// What `locate` says is what a command must say to reach the same file.
pub async fn locate_names_the_path(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    for path in ["relative/file", "/absolute/file"] {
        put(&*session, path, path.as_bytes()).await?;
        let located = session.locate(&at(path)?);
        let shown = run(&*session, &Command::program(["cat", "--", &located])).await?;
        let same = shown.stdout.bytes() == path.as_bytes();
        ensure!(same, "'{path}' is located at '{located}', where a command does not find it");
    }
    close(session).await
}

/// Reading or writing a FIFO that nobody else opens comes back.
pub async fn fifo_does_not_block(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    script(&*session, "mkfifo fifo").await?;
    let read = promptly("reading a FIFO", get(&*session, "fifo")).await?;
    let refused = is_kind(&read, &[ErrorKind::NotAFile]);
    ensure!(refused, "reading a FIFO gave {}", seen(&read));
    // Replacing it by a regular file, and refusing to, are both right.
    let write = promptly("writing to a FIFO", put(&*session, "fifo", b"x")).await?;
    let held = write.is_ok() && get(&*session, "fifo").await.is_ok_and(|bytes| bytes == b"x");
    let fine = held || is_kind(&write, &[ErrorKind::NotAFile]);
    ensure!(fine, "writing to a FIFO gave {} and left no file", seen(&write));
    close(session).await
}

/// Reading a device is refused and comes back.
pub async fn device_is_refused(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    let read = promptly("reading /dev/zero", get(&*session, "/dev/zero")).await?;
    // A session may have no devices, or none below a root of its own.
    let refused = is_kind(&read, &[ErrorKind::NotAFile, ErrorKind::NotFound]);
    ensure!(refused, "reading /dev/zero gave {}", seen(&read));
    close(session).await
}

/// A symbolic link out of the session leads `read` and `write` nowhere: neither to the host, nor up from the session's root.
pub async fn symlink_out_is_not_followed(sandbox: &dyn Sandbox) -> LawResult {
    let outside = OutsideFile::plant()?;
    let session = open(sandbox).await?;
    let up = "../".repeat(24);
    for target in [outside.path().to_owned(), format!("{up}{}", outside.path())] {
        let link = Command::program(["ln", "-sfn", &target, "leak"]);
        ensure!(run(&*session, &link).await?.exit.is_success(), "`ln -s` does not work");
        let read = get(&*session, "leak").await;
        let leaked = read.is_ok_and(|bytes| bytes == outside.secret());
        ensure!(!leaked, "a link to {target} showed a file of the host");
        // Whatever becomes of the write, the host's file stays as it is.
        let _ = put(&*session, "leak", b"overwritten").await;
        ensure!(outside.is_intact(), "a link to {target} let a file of the host be overwritten");
    }
    script(&*session, &format!("ln -sfn '{}' leaks", outside.directory())).await?;
    let _ = put(&*session, "leaks/planted", b"x").await;
    ensure!(!outside.has("planted"), "a linked directory let a file be made on the host");
    close(session).await
}

/// Everything below a directory is listed, named as the directory was; a file lists itself; what is missing is an error.
pub async fn list_finds_what_was_written(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "tree/deep/inner file", b"four").await?;
    put(&*session, "tree/outer", b"").await?;
    let mut found: Vec<(String, Option<u64>)> = session
        .list(&at("tree")?)
        .await?
        .into_iter()
        .map(|entry| (entry.path.as_str().to_owned(), entry.bytes))
        .collect();
    found.sort();
    let expected = [
        ("tree/deep".to_owned(), None),
        ("tree/deep/inner file".to_owned(), Some(4)),
        ("tree/outer".to_owned(), Some(0)),
    ];
    ensure!(found == expected, "the tree was listed as {found:?}");
    let itself = session.list(&at("tree/outer")?).await?;
    let itself: Vec<_> = itself.iter().map(|entry| entry.path.as_str()).collect();
    ensure!(itself == ["tree/outer"], "a file was listed as {itself:?}");
    let missing = session.list(&at("nothing-here")?).await;
    ensure!(is_kind(&missing, &[ErrorKind::NotFound]), "a missing path gave {}", seen(&missing));
    close(session).await
}

/// Links are neither listed nor followed, FIFOs are not listed.
pub async fn list_follows_no_link(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    script(
        &*session,
        "mkdir tree aside; echo x > aside/file; ln -s ../aside tree/link; mkfifo tree/fifo",
    )
    .await?;
    let found = session.list(&at("tree")?).await?;
    ensure!(found.is_empty(), "a tree of a link and a FIFO was listed as {found:?}");
    close(session).await
}

/// A file on the host, beside no session, that no session may reach.
struct OutsideFile {
    directory: std::path::PathBuf,
    file: String,
    secret: String,
}

impl OutsideFile {
    fn plant() -> Result<Self, Unkept> {
        let secret = crate::testing::laws::unique("outside");
        let directory = std::env::temp_dir().join(&secret);
        let file = directory.join("secret").to_string_lossy().into_owned();
        let planted = std::fs::create_dir(&directory).and_then(|()| std::fs::write(&file, &secret));
        match planted {
            Ok(()) => Ok(Self { directory, file, secret }),
            Err(error) => crate::testing::laws::skipped(format!("cannot write {file}: {error}")),
        }
    }

    fn path(&self) -> &str {
        &self.file
    }

    fn directory(&self) -> String {
        self.directory.to_string_lossy().into_owned()
    }

    fn secret(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    fn is_intact(&self) -> bool {
        std::fs::read(&self.file).is_ok_and(|bytes| bytes == self.secret())
    }

    fn has(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }
}

impl Drop for OutsideFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
