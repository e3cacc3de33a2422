//! Decoys: what a probe may reach in place of anything of value.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct Arena {
    directory: tempfile::TempDir,
    process: Child,
    listener: TcpListener,
    _sockets: [UnixListener; 2],
    segment: String,
    name: String,
}

impl Arena {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("decoy-{}-{number}", std::process::id());
        let directory = tempfile::tempdir().unwrap();
        // Open to everybody: not its permissions must protect it.
        let open = |path: &std::path::Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        open(directory.path(), 0o777);
        for file in ["secret", "victim"] {
            let path = directory.path().join(file);
            fs::write(&path, "treasure").unwrap();
            open(&path, 0o666);
        }
        let shared = format!("/dev/shm/{name}");
        fs::write(&shared, "treasure").unwrap();
        open(shared.as_ref(), 0o666);
        let process = Command::new("bash")
            .args(["-c", "read -r; exit", &name])
            .env("CANARY", "treasure")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let path = directory.path().join("socket");
        let file = UnixListener::bind(&path).unwrap();
        open(&path, 0o777);
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let nameless = UnixListener::bind_addr(&address).unwrap();
        Self {
            directory,
            process,
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            _sockets: [file, nameless],
            segment: segment(),
            name,
        }
    }

    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let port = self.listener.local_addr().unwrap().port();
        [
            ("DECOY", self.directory.path().display().to_string()),
            ("DECOY_PID", self.process.id().to_string()),
            ("DECOY_PORT", port.to_string()),
            ("DECOY_ABSTRACT", self.name.clone()),
            ("DECOY_SHM", self.segment.clone()),
            ("DECOY_NAME", self.name.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// A shared memory segment that everybody may use; its id.
fn segment() -> String {
    let made = Command::new("ipcmk").args(["-M", "64", "-p", "0666"]).output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    text.rsplit(' ').next().unwrap().trim().to_owned()
}

impl Drop for Arena {
    fn drop(&mut self) {
        // Both fail where a probe has done it already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = Command::new("ipcrm").args(["-m", &self.segment]).stderr(Stdio::null()).status();
        let _ = fs::remove_file(format!("/dev/shm/{}", self.name));
    }
}
