//! Files in and out, by the daemon's archives. The daemon resolves every path inside the container's root; nothing of the
//! container is opened by a path on the host.

use bollard::Docker;
use bollard::body_full;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use futures::TryStreamExt as _;
use harness_core::{Error, ErrorKind, File, Result, SandboxPath};

use super::archive::{self, Entry};
use super::daemon::Daemon;
use super::fault::{self, broken};
use super::options::ContainerUser;

/// The largest file that is read or written whole, in bytes.
const FILE_LIMIT: u64 = 256 * 1024 * 1024;
/// An archive's own blocks around one file.
const ARCHIVE_SLACK: u64 = 64 * 1024;
/// Symbolic links that one path may lead through, as many as the kernel allows.
const LINKS: usize = 40;

/// The bits of Go's file modes, which the API uses.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
/// Device, named pipe, socket, character device, irregular.
const SPECIAL: u32 = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;

/// The files of one container.
#[derive(Clone, Debug)]
pub(super) struct Files {
    docker: Docker,
    container: String,
    user: ContainerUser,
    workdir: SandboxPath,
    reads_patterns: bool,
}

/// What is at a path, links followed.
enum Found {
    Nothing,
    Directory,
    Regular { bytes: u64 },
    Special,
}

impl Files {
    pub(super) fn new(
        daemon: &Daemon,
        container: &str,
        user: ContainerUser,
        workdir: SandboxPath,
    ) -> Self {
        let (docker, container) = (daemon.docker.clone(), container.to_owned());
        Self { docker, container, user, workdir, reads_patterns: daemon.reads_patterns }
    }

    /// Whether this daemon would take a path for a pattern.
    pub(super) fn is_pattern(&self, path: &SandboxPath) -> bool {
        self.reads_patterns && path.as_str().contains(['*', '?', '[', '\\'])
    }

    pub(super) fn absolute(&self, path: &SandboxPath) -> String {
        path.within(&self.workdir).as_str().to_owned()
    }

    /// The working directory, the session user's, and a `/tmp` for everybody, whatever the image has. New directories at the
    /// root as well, because verifiers have theirs there ([`opens_the_root`](Self::opens_the_root)); what the image has
    /// there only root moves.
    pub(super) async fn make_workdir(&self) -> Result<()> {
        let open = |name| Entry { name, mode: 0o1777, bytes: None };
        self.upload_as((0, 0), "/", &[open("."), open("tmp")]).await?;
        let path = self.workdir.as_str().to_owned();
        let (existing, missing) = self.existing_parent(&path).await?;
        if missing.is_empty() {
            // The image's own: it becomes the session user's, the way to it stays as it is.
            let name = existing.trim_start_matches('/');
            return self.upload("/", &[Entry { name, mode: 0o755, bytes: None }]).await;
        }
        self.upload(&existing, &directories(&missing)).await
    }

    /// Whether everybody may make directories at the root, as [`make_workdir`](Self::make_workdir) asked: Docker Engine
    /// passes over an archive's entry for the very directory that it is unpacked in.
    pub(super) async fn opens_the_root(&self) -> Result<bool> {
        let options = ContainerArchiveInfoOptionsBuilder::default().path("/").build();
        let info = self.docker.get_container_archive_info(&self.container, Some(options)).await;
        let info = info.map_err(|refusal| broken("looking at the root", refusal))?;
        Ok(info.file_mode & 0o777 == 0o777)
    }

    pub(super) async fn read(&self, path: &SandboxPath) -> Result<Vec<u8>> {
        let (resolved, found) = self.resolve(&self.absolute(path)).await?;
        match found {
            Found::Nothing => Err(missing(path)),
            Found::Directory => Err(no_file(path, "is a directory")),
            Found::Special => Err(no_file(path, "is no regular file")),
            Found::Regular { bytes } if bytes > FILE_LIMIT => Err(too_large(path)),
            Found::Regular { .. } => self.download(&resolved, path).await,
        }
    }

    async fn download(&self, resolved: &str, path: &SandboxPath) -> Result<Vec<u8>> {
        let options = DownloadFromContainerOptionsBuilder::default().path(resolved).build();
        let mut chunks =
            std::pin::pin!(self.docker.download_from_container(&self.container, Some(options)));
        let mut archive = Vec::new();
        loop {
            match chunks.try_next().await {
                Ok(None) => return archive::only_file(&archive),
                Ok(Some(chunk)) => archive.extend_from_slice(&chunk),
                Err(refusal) if fault::is_missing(&refusal) => return Err(missing(path)),
                Err(refusal) => return Err(broken("reading a file", refusal)),
            }
            // It may have grown since it was looked at.
            if archive.len() as u64 > FILE_LIMIT + ARCHIVE_SLACK {
                return Err(too_large(path));
            }
        }
    }

    pub(super) async fn write(&self, path: &SandboxPath, file: File<'_>) -> Result<()> {
        if file.bytes.len() as u64 > FILE_LIMIT {
            return Err(too_large(path));
        }
        let (resolved, found) = self.resolve(&self.absolute(path)).await?;
        match found {
            Found::Directory => return Err(no_file(path, "is a directory")),
            Found::Special => return Err(no_file(path, "is no regular file")),
            Found::Nothing | Found::Regular { .. } => {}
        }
        let (parent, name) = resolved.rsplit_once('/').unwrap_or(("", &resolved));
        let (existing, missing) = self.existing_parent(parent).await?;
        let name = if missing.is_empty() { name.to_owned() } else { format!("{missing}/{name}") };
        let mut entries = missing_directories(&name);
        entries.push(Entry { name: &name, mode: file.mode, bytes: Some(file.bytes) });
        self.upload(&existing, &entries).await
    }

    /// The deepest directory on the way to `directory` that exists, and what is missing below it.
    async fn existing_parent(&self, directory: &str) -> Result<(String, String)> {
        let mut existing = directory;
        loop {
            if existing.is_empty() {
                return Ok(("/".to_owned(), directory.trim_start_matches('/').to_owned()));
            }
            match self.resolve(existing).await? {
                (resolved, Found::Directory) => {
                    let missing = directory.get(existing.len()..).unwrap_or_default();
                    return Ok((resolved, missing.trim_start_matches('/').to_owned()));
                }
                (_, Found::Nothing) => {
                    existing = existing.rsplit_once('/').map_or("", |(parent, _)| parent);
                }
                _ => {
                    let why = format!("'{existing}' is in the way: it is no directory");
                    return Err(Error::new(ErrorKind::NotAFile, why));
                }
            }
        }
    }

    async fn upload(&self, directory: &str, entries: &[Entry<'_>]) -> Result<()> {
        self.upload_as(self.user.ids(), directory, entries).await
    }

    async fn upload_as(
        &self,
        owner: (u32, u32),
        directory: &str,
        entries: &[Entry<'_>],
    ) -> Result<()> {
        let packed = archive::pack(entries, owner);
        let packed = packed
            .map_err(|error| Error::new(ErrorKind::Sandbox, "packing a file").with_source(error))?;
        let options = UploadToContainerOptionsBuilder::default().path(directory).build();
        let body = body_full(packed.into());
        let placed = self.docker.upload_to_container(&self.container, Some(options), body).await;
        placed.map_err(|refusal| broken("writing a file", refusal))
    }

    /// Where `path` leads, its last links followed inside the container, and what is there.
    async fn resolve(&self, path: &str) -> Result<(String, Found)> {
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            let options = ContainerArchiveInfoOptionsBuilder::default().path(&path).build();
            let info = self.docker.get_container_archive_info(&self.container, Some(options)).await;
            let info = match info {
                Ok(info) => info,
                Err(refusal) if fault::leads_nowhere(&refusal) => {
                    return Ok((path, Found::Nothing));
                }
                Err(refusal) => return Err(broken("looking at a file", refusal)),
            };
            let mode = info.file_mode;
            if mode & SYMLINK == 0 {
                let bytes = u64::try_from(info.size).unwrap_or_default();
                let found = match mode {
                    mode if mode & DIRECTORY != 0 => Found::Directory,
                    mode if mode & SPECIAL != 0 => Found::Special,
                    _ => Found::Regular { bytes },
                };
                return Ok((path, found));
            }
            let next = followed(&path, &info.link_target);
            if next == path {
                break;
            }
            path = next;
        }
        Err(Error::new(ErrorKind::NotAFile, format!("'{path}' leads through too many links")))
    }
}

/// Where a link at `path` to `target` leads, as the container's root sees it: `..` stops there.
fn followed(path: &str, target: &str) -> String {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let base = if target.starts_with('/') { "" } else { parent };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `a`, `a/b`, `a/b/c` of `a/b/c`.
fn directories(path: &str) -> Vec<Entry<'_>> {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    let directory = |end| Entry { name: path.get(..end).unwrap_or(path), mode: 0o755, bytes: None };
    ends.map(directory).collect()
}

/// The directories on the way to `a/b/file`.
fn missing_directories(file: &str) -> Vec<Entry<'_>> {
    file.rsplit_once('/').map(|(parent, _)| directories(parent)).unwrap_or_default()
}

pub(super) fn missing(path: &SandboxPath) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no '{path}'"))
}

pub(super) fn no_file(path: &SandboxPath, why: &str) -> Error {
    Error::new(ErrorKind::NotAFile, format!("'{path}' {why}"))
}

fn too_large(path: &SandboxPath) -> Error {
    let why = format!("'{path}' is larger than {} MiB", FILE_LIMIT >> 20);
    Error::new(ErrorKind::NotAFile, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_below_the_root() {
        for (path, target, leads) in [
            ("/app/link", "file", "/app/file"),
            ("/app/link", "../etc/passwd", "/etc/passwd"),
            ("/app/link", "../../../../etc", "/etc"),
            ("/app/link", "/tmp/./x//y", "/tmp/x/y"),
            ("/link", "..", "/"),
        ] {
            assert_eq!(followed(path, target), leads, "{path} -> {target}");
        }
    }

    #[test]
    fn missing_directories_are_made_from_the_top() {
        let names: Vec<_> =
            missing_directories("a/b/file").iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a", "a/b"]);
        assert!(missing_directories("file").is_empty());
    }
}
