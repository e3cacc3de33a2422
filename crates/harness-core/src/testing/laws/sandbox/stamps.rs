//! Stamps: equal when nothing changed, different after every kind of change.

use super::*;

/// Looking changes nothing: stamps, reads and a command that only reads leave the stamp as it is.
pub async fn stamp_is_stable(sandbox: &dyn Sandbox) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "deep/file", b"content").await?;
    let first = session.stamp().await?;
    get(&*session, "deep/file").await?;
    script(&*session, "cat deep/file; ls -la >/dev/null").await?;
    let second = session.stamp().await?;
    ensure!(first == second, "two stamps differ though nothing changed");
    close(session).await
}

/// A new file shows.
pub async fn stamp_sees_a_new_file(sandbox: &dyn Sandbox) -> LawResult {
    stamp_sees(sandbox, "a new file", "printf x > deep/new").await
}

/// A change of a file's content shows, also one of equal length.
pub async fn stamp_sees_a_change(sandbox: &dyn Sandbox) -> LawResult {
    // Until the file's own time moves: two changes within one tick of a coarse clock are one.
    let change = "before=$(stat -c %y deep/file)
        until printf chanGed > deep/file; [ \"$(stat -c %y deep/file)\" != \"$before\" ]; do sleep 0.01; done";
    stamp_sees(sandbox, "a change of equal length", change).await?;
    stamp_sees(sandbox, "a longer file", "printf more >> deep/file").await
}

/// A removed file shows.
pub async fn stamp_sees_a_removal(sandbox: &dyn Sandbox) -> LawResult {
    stamp_sees(sandbox, "a removal", "rm deep/file").await
}

/// A change of permission bits shows.
pub async fn stamp_sees_a_mode(sandbox: &dyn Sandbox) -> LawResult {
    stamp_sees(sandbox, "a change of mode", "chmod 600 deep/file").await
}

async fn stamp_sees(sandbox: &dyn Sandbox, what: &str, change: &str) -> LawResult {
    let session = open(sandbox).await?;
    put(&*session, "deep/file", b"content").await?;
    let before = session.stamp().await?;
    script(&*session, change).await?;
    ensure!(before != session.stamp().await?, "the stamp does not show {what}");
    close(session).await
}
