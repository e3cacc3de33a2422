//! Placing files in a session where an agent has been: whatever it put there goes first.

use std::time::Duration;

use harness_core::{Command, Error, ErrorKind, File, Result, SandboxPath, Session};

use crate::harbor::{Entry, Tree};

/// Removes `$1`, a link in its place and a link in its parent's place, and makes it anew.
const CLEAR: &str = r#"
set -e
parent=$(dirname "$1")
if [ -L "$parent" ] || { [ -e "$parent" ] && [ ! -d "$parent" ]; }; then rm -f "$parent"; fi
chmod u+rwx "$parent" 2>/dev/null || true
chmod -R u+rwX "$1" 2>/dev/null || true
rm -rf "$1"
mkdir -p "$1"
test -d "$1" && test ! -L "$1"
cd "$1"
shift
while [ "$1" = directory ]; do mkdir -p -- "$2"; shift 2; done
while [ "$1" = link ]; do mkdir -p -- "$(dirname -- "$2")"; ln -s -- "$3" "$2"; shift 3; done
"#;

/// Makes `directory` anew with `tree` in it and nothing else.
///
/// # Errors
/// [`ErrorKind::Verifier`] when what was there cannot be removed; those of the session.
pub(crate) async fn place_fresh(
    session: &dyn Session,
    directory: &SandboxPath,
    tree: &Tree,
) -> Result<()> {
    let mut argv: Vec<String> = ["/bin/sh", "-c", CLEAR, "sh"].map(str::to_owned).to_vec();
    argv.push(session.locate(directory));
    // In this order: the script takes directories first.
    for (path, entry) in tree.iter() {
        if matches!(entry, Entry::Directory) {
            argv.extend(["directory".to_owned(), path.to_owned()]);
        }
    }
    for (path, entry) in tree.iter() {
        if let Entry::Link { target } = entry {
            argv.extend(["link".to_owned(), path.to_owned(), target.clone()]);
        }
    }
    argv.push("end".to_owned());
    // The system's own programs, wherever the environment's PATH leads first.
    let clear = Command::program(argv)
        .with_env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .with_timeout(Duration::from_secs(60));
    let cleared = session.exec(&clear).await?;
    if !cleared.exit.is_success() {
        let why = cleared.stderr.text();
        let message = format!("making {directory} anew: {}: {}", cleared.exit, why.trim());
        return Err(Error::new(ErrorKind::Verifier, message));
    }
    for (path, entry) in tree.iter() {
        if let Entry::File { mode, content } = entry {
            let path = SandboxPath::new(path)?.within(directory);
            // Scripts run whether or not they kept their bit on the way here.
            let mode = if path.as_str().ends_with(".sh") { 0o755 } else { *mode };
            session.write(&path, File { bytes: content, mode }).await?;
        }
    }
    Ok(())
}
