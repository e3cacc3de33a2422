//! An image of this machine's own programs: what the laws' commands use, with the libraries that they load.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const PROGRAMS: &[&str] = &[
    "bash", "sh", "basename", "cat", "cksum", "chmod", "cp", "date", "dd", "dirname", "echo",
    "env", "false", "find", "grep", "head", "id", "kill", "ln", "ls", "mkdir", "mkfifo", "mv",
    "nproc", "printf", "ps", "pwd", "readlink", "rm", "sed", "seq", "setsid", "sleep", "sort",
    "stat", "tail", "tee", "test", "timeout", "touch", "tr", "true", "uname", "wc", "yes",
];

/// A build context, made once.
pub(crate) fn context() -> &'static Path {
    static CONTEXT: OnceLock<PathBuf> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let context = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        let _ = fs::remove_dir_all(&context);
        make(&context);
        context
    })
}

fn make(context: &Path) {
    let root = context.join("root");
    for directory in ["usr/bin", "usr/lib", "usr/lib64", "etc", "tmp", "root", "srv"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (link, target) in [("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        symlink(target, root.join(link)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    let programs = PROGRAMS.iter().filter_map(|name| found(name));
    let programs: Vec<PathBuf> = programs.collect();
    for program in &programs {
        place(&root, program, &Path::new("usr/bin").join(program.file_name().unwrap()));
    }
    for library in libraries(&programs) {
        place(&root, &library, library.strip_prefix("/").unwrap());
    }
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY root/ /\n").unwrap();
}

fn found(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin"].iter().map(|place| Path::new(place).join(name)).find(|path| path.exists())
}

/// What `ldd` says these programs load.
fn libraries(programs: &[PathBuf]) -> BTreeSet<PathBuf> {
    let listed = Command::new("ldd").args(programs).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let path = |word: &str| (word.starts_with('/') && !word.ends_with(':')).then(|| word.into());
    listed.split_whitespace().filter_map(path).collect()
}

fn place(root: &Path, from: &Path, inside: &Path) {
    // `lib` and `lib64` are links below `root`: what is placed there lands in `usr`.
    let to = root.join(inside);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}
