//! A Podman of the tests' own: its store below the build directory, its socket nowhere else. Or a daemon that somebody else
//! started for the tests: `HARNESS_TEST_DOCKER_SOCKET` names the socket of a Docker Engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Seconds without a request after which the service ends by itself: long after the last test, and never for ever.
const IDLE: &str = "180";

/// The socket, or why there is none. The service is started once.
pub(crate) fn socket() -> &'static Result<PathBuf, String> {
    static SOCKET: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    SOCKET.get_or_init(start)
}

/// A Docker Engine that was started for these tests.
fn engine() -> Option<PathBuf> {
    std::env::var_os("HARNESS_TEST_DOCKER_SOCKET").map(PathBuf::from)
}

fn start() -> Result<PathBuf, String> {
    if let Some(socket) = engine() {
        return Ok(socket);
    }
    let version = Command::new("podman").arg("--version").output();
    version.map_err(|error| {
        format!("podman cannot be run: {error} (Debian: podman runc catatonit)")
    })?;
    let root = root();
    fs::create_dir_all(&root).unwrap();
    // Short: a socket's path may have 107 bytes. Of this process, because a service may be left of another.
    let socket = std::env::temp_dir().join(format!("podman-{}.sock", std::process::id()));
    let log = fs::File::create(root.join("service.log")).unwrap();
    fs::write(root.join("containers.conf"), containers()).unwrap();
    fs::write(root.join("storage.conf"), storage(&root)).unwrap();
    fs::write(root.join("registries.conf"), registries()).unwrap();
    let mut service = podman();
    service.args(["system", "service", "--time", IDLE]);
    service.arg(format!("unix://{}", socket.display()));
    // What watches a container writes a file where it was started when memory runs out.
    service.current_dir(&root);
    service.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut service = service.spawn().map_err(|error| format!("podman cannot be run: {error}"))?;
    let deadline = Instant::now() + Duration::from_secs(120);
    while !socket.exists() {
        if let Some(status) = service.try_wait().unwrap() {
            let said = fs::read_to_string(root.join("service.log")).unwrap_or_default();
            return Err(format!("podman's service ended with {status}: {said}"));
        }
        assert!(Instant::now() < deadline, "podman's service does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(socket)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("podman")
}

/// Podman with the tests' configuration, or the client of the Engine.
fn podman() -> Command {
    if let Some(socket) = engine() {
        let mut docker = Command::new("docker");
        docker.arg("--host").arg(format!("unix://{}", socket.display()));
        return docker;
    }
    let mut podman = Command::new("podman");
    podman.env("CONTAINERS_CONF", root().join("containers.conf"));
    podman.env("CONTAINERS_STORAGE_CONF", root().join("storage.conf"));
    podman.env("CONTAINERS_REGISTRIES_CONF", root().join("registries.conf"));
    podman
}

/// Does what a person would at the command line.
pub(crate) fn run(arguments: &[&str]) {
    said(arguments);
}

/// The same, and what it printed.
pub(crate) fn said(arguments: &[&str]) -> String {
    let output = podman().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Without systemd: groups by the file system, events to a file, and runc, which knows cgroup v1.
fn containers() -> String {
    "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\n\
     exit_command_delay = 10\n"
        .to_owned()
}

/// The tests' own registry speaks plain HTTP.
fn registries() -> String {
    let location = registry_address();
    format!("[[registry]]\nlocation = \"{location}\"\ninsecure = true\n")
}

/// Where this run's registry listens, if a test starts one.
pub(crate) fn registry_address() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    })
}

fn storage(root: &Path) -> String {
    let place = |name: &str| root.join(name).display().to_string();
    format!(
        "[storage]\ndriver = \"overlay\"\nrunroot = \"{}\"\ngraphroot = \"{}\"\n",
        place("run"),
        place("store")
    )
}
