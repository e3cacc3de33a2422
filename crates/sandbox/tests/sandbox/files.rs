//! Reading, writing and stamping.

use std::sync::Arc;
use std::time::Duration;

use harness_core::{ErrorKind, File, Sandbox};

use crate::common::{laws, open, path, run, stdout};

laws!(
    bytes_come_back,
    commands_see_the_same_files,
    large_files_come_back,
    missing_files_and_directories_are_told_apart,
    planted_fifos_and_devices_do_not_block,
    planted_links_do_not_lead_out,
    stamps_change_only_with_the_tree,
    deep_trees_are_stamped,
    unwritable_targets_are_refused_or_replaced,
);

async fn bytes_come_back(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let all: Vec<u8> = (0..=255).collect();
    for (name, bytes) in [("empty", &[][..]), ("all", &all), ("/tests/deep/er/file", b"x")] {
        session.write(&path(name), File::plain(bytes)).await.unwrap();
        assert_eq!(session.read(&path(name)).await.unwrap(), bytes, "{name}");
    }
    session.write(&path("all"), File::plain(b"short")).await.unwrap();
    assert_eq!(session.read(&path("all")).await.unwrap(), b"short");
    session.close().await.unwrap();
}

async fn commands_see_the_same_files(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    session.write(&path("run.sh"), File::executable(b"#!/bin/sh\necho ran\n")).await.unwrap();
    assert_eq!(stdout(&*session, "./run.sh; stat -c %a run.sh").await, "ran\n755\n");
    session.write(&path("/tests/note"), File::plain(b"note")).await.unwrap();
    let located = session.locate(&path("/tests/note"));
    assert_eq!(stdout(&*session, &format!("cat {located}")).await, "note");
    stdout(&*session, "printf made > made; mkdir -p sub; printf below > sub/file").await;
    assert_eq!(session.read(&path("made")).await.unwrap(), b"made");
    assert_eq!(session.read(&path("/app/sub/file")).await.unwrap(), b"below");
    assert_eq!(stdout(&*session, "pwd").await.trim(), session.locate(&path(".")));
    assert_eq!(
        stdout(&*session, "cd; pwd; touch x; cd \"${TMPDIR}\"; touch y").await.lines().count(),
        1
    );
}

async fn large_files_come_back(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let large: Vec<u8> = (0..5 << 20).map(|i: u32| ((i * 7) >> 3) as u8).collect();
    session.write(&path("large"), File::plain(&large)).await.unwrap();
    assert!(session.read(&path("large")).await.unwrap() == large);
    run(&*session, "truncate -s 1T sparse").await;
    // Refused by the disk limit where there is one, else as too large: never read.
    if let Ok(bytes) = session.read(&path("sparse")).await {
        assert!(bytes.is_empty());
    }
}

async fn missing_files_and_directories_are_told_apart(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    stdout(&*session, "mkdir directory; touch file").await;
    let kind = async |name: &str| session.read(&path(name)).await.unwrap_err().kind();
    assert_eq!(kind("missing").await, ErrorKind::NotFound);
    assert_eq!(kind("/nowhere/missing").await, ErrorKind::NotFound);
    assert_eq!(kind("directory").await, ErrorKind::NotAFile);
    assert_eq!(kind("file/below").await, ErrorKind::NotAFile);
    let kind =
        async |name: &str| session.write(&path(name), File::plain(b"x")).await.unwrap_err().kind();
    assert_eq!(kind("directory").await, ErrorKind::NotAFile);
    assert_eq!(kind("file/below").await, ErrorKind::NotAFile);
}

async fn planted_fifos_and_devices_do_not_block(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    stdout(&*session, "mkfifo fifo held; (sleep 600 <>held &) ; ln -s /dev/zero zero").await;
    let reads = async {
        for name in ["fifo", "held", "zero"] {
            let error = session.read(&path(name)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotAFile, "{name}: {error}");
            let error = session.write(&path(name), File::plain(b"x")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotAFile, "{name}: {error}");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reads).await.unwrap();
}

async fn planted_links_do_not_lead_out(sandbox: &Arc<dyn Sandbox>) {
    // A decoy that every user of the host may read and write.
    let decoy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(decoy.path(), "decoy").unwrap();
    let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(decoy.path(), open_to_all).unwrap();
    let session = open(sandbox).await;
    let decoy_path = decoy.path().display();
    let script = format!(
        "ln -s {decoy_path} link; ln -s {} directory; ln -s ../../../../../../..{decoy_path} up; \
         ln -s /proc/self/root{decoy_path} magic; ln -s /proc/self/environ environ",
        decoy.path().parent().unwrap().display()
    );
    stdout(&*session, &script).await;
    let name = decoy.path().file_name().unwrap().to_str().unwrap();
    for name in ["link", "up", "magic", "environ", &format!("directory/{name}")] {
        // With a root of its own, such a link leads to a file of the session's.
        let read = session.read(&path(name)).await;
        assert!(!matches!(read.as_deref(), Ok(b"decoy")), "{name}");
        let _ = session.write(&path(name), File::plain(b"overwritten")).await;
        assert_eq!(std::fs::read(decoy.path()).unwrap(), b"decoy", "{name}");
    }
}

async fn stamps_change_only_with_the_tree(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    stdout(&*session, "mkdir -p a/b; echo 1 > a/b/c; ln -s c a/b/l").await;
    let first = session.stamp().await.unwrap();
    stdout(&*session, "cat a/b/c; ls -R").await;
    assert_eq!(session.stamp().await.unwrap(), first);
    let mut seen = vec![first];
    let changes = ["echo 22 > a/b/c", "chmod 600 a/b/c", "touch a/b/c", "touch a/d", "mv a/d a/e"];
    for change in changes.into_iter().chain(["rm a/b/l", "rm -r a/b", "mkfifo f"]) {
        stdout(&*session, change).await;
        let stamp = session.stamp().await.unwrap();
        assert!(!seen.contains(&stamp), "{change}");
        seen.push(stamp);
    }
}

async fn deep_trees_are_stamped(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    let deep = "for i in $(seq 300); do mkdir d; cd d; done; seq 100 | xargs touch";
    stdout(&*session, deep).await;
    assert_eq!(session.stamp().await.unwrap(), session.stamp().await.unwrap());
    session.close().await.unwrap();
}

async fn unwritable_targets_are_refused_or_replaced(sandbox: &Arc<dyn Sandbox>) {
    let session = open(sandbox).await;
    stdout(&*session, "echo old > closed; chmod 000 closed; cp /bin/sleep ./busy").await;
    stdout(&*session, "(./busy 20 >/dev/null 2>&1 &)").await;
    for name in ["closed", "busy"] {
        session.write(&path(name), File::plain(b"new")).await.unwrap();
        assert_eq!(session.read(&path(name)).await.unwrap(), b"new", "{name}");
    }
}
