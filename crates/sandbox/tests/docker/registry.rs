//! A real registry on loopback: Debian's `docker-registry`.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::podman::registry_address;

/// A registry that ends with this value.
#[derive(Debug)]
pub(crate) struct Registry {
    server: Child,
    _state: tempfile::TempDir,
}

impl Registry {
    /// Starts it, or says why not.
    pub(crate) fn start() -> Result<Self, String> {
        let state = tempfile::tempdir().unwrap();
        let configuration = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {}}}\n",
            state.path().join("images").display(),
            registry_address()
        );
        let file = state.path().join("registry.yml");
        fs::write(&file, configuration).unwrap();
        let mut server = Command::new("docker-registry");
        server
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server =
            server.spawn().map_err(|error| format!("docker-registry cannot be run: {error}"))?;
        let mut registry = Self { server, _state: state };
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(registry_address()).is_err() {
            let ended = registry.server.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the registry does not listen: {ended:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
