//! Images: pulled from a registry, or built from a directory with a Dockerfile.

use std::path::Path;

use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use bollard::{Docker, body_full};
use futures::TryStreamExt as _;
use harness_core::{Error, ErrorKind, Fingerprint, Result};

use super::fault::{self, broken};
use super::options::Pull;

/// Makes sure that the daemon has an image.
pub(super) async fn ensure(docker: &Docker, image: &str, pull: Pull) -> Result<()> {
    let wanted = match pull {
        Pull::Always => true,
        Pull::Missing | Pull::Never => !is_present(docker, image).await?,
    };
    match (wanted, pull) {
        (false, _) => Ok(()),
        (true, Pull::Never) => {
            let why =
                format!("the daemon has no image '{image}', and pulling is off (`Pull::Never`)");
            Err(Error::new(ErrorKind::InvalidInput, why))
        }
        (true, _) => self::pull(docker, image).await,
    }
}

async fn is_present(docker: &Docker, image: &str) -> Result<bool> {
    match docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(refusal) if fault::is_missing(&refusal) => Ok(false),
        Err(refusal) => Err(broken("looking for an image", refusal)),
    }
}

async fn pull(docker: &Docker, image: &str) -> Result<()> {
    let (name, tag) = name_and_tag(image);
    let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
    let failed = |why: String| {
        let why = format!("the image '{image}' cannot be pulled: {why}");
        Error::new(ErrorKind::Sandbox, why)
    };
    let mut progress = docker.create_image(Some(options), None, None);
    while let Some(step) =
        progress.try_next().await.map_err(|refusal| failed(refusal.to_string()))?
    {
        if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
            return Err(failed(message));
        }
    }
    // Podman ends the stream of a pull that failed like one that did not.
    if is_present(docker, image).await? {
        Ok(())
    } else {
        Err(failed("it is still not there".to_owned()))
    }
}

/// A reference's two halves. A digest stays with the name; a port's colon is none of a tag.
fn name_and_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && !name.contains('@') => (name, tag),
        _ if image.contains('@') => (image, ""),
        _ => (image, "latest"),
    }
}

/// Builds the Dockerfile of a directory and gives the image's name, which is made of the directory's content: the same
/// content is built once.
pub(super) async fn build(docker: &Docker, context: &Path) -> Result<String> {
    let archive = archive(context)?;
    let digest = Fingerprint::of_bytes(&archive).to_string();
    let name = format!("self-harness/{}:latest", digest.get(..32).unwrap_or(&digest));
    if is_present(docker, &name).await? {
        return Ok(name);
    }
    let options = BuildImageOptionsBuilder::default().t(&name).rm(true).forcerm(true).build();
    let failed = |why: &str| {
        let why =
            format!("the image of '{}' cannot be built: {}", context.display(), why.trim_end());
        Error::new(ErrorKind::InvalidInput, why)
    };
    let mut said = String::new();
    let mut progress = docker.build_image(options, None, Some(body_full(archive.into())));
    while let Some(step) =
        progress.try_next().await.map_err(|refusal| failed(&format!("{refusal}\n{said}")))?
    {
        said.extend(step.stream);
        if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
            return Err(failed(&format!("{message}\n{said}")));
        }
    }
    if is_present(docker, &name).await? { Ok(name) } else { Err(failed(&said)) }
}

/// The directory as an archive that depends on names, kinds, modes and bytes alone. Links stay links.
fn archive(context: &Path) -> Result<Vec<u8>> {
    let unreadable = |error: std::io::Error| {
        let why = format!("the build context '{}' cannot be read", context.display());
        Error::new(ErrorKind::InvalidInput, why).with_source(error)
    };
    if !context.join("Dockerfile").is_file() {
        let why = format!("'{}' has no Dockerfile", context.display());
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    let mut archive = tar::Builder::new(Vec::new());
    archive.mode(tar::HeaderMode::Deterministic);
    archive.follow_symlinks(false);
    append_sorted(&mut archive, context, Path::new("")).map_err(unreadable)?;
    archive.into_inner().map_err(unreadable)
}

fn append_sorted(
    archive: &mut tar::Builder<Vec<u8>>,
    context: &Path,
    below: &Path,
) -> std::io::Result<()> {
    let entries = std::fs::read_dir(context.join(below))?;
    let mut names =
        entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let inside = below.join(name);
        let path = context.join(&inside);
        archive.append_path_with_name(&path, &inside)?;
        if path.symlink_metadata()?.is_dir() {
            append_sorted(archive, context, &inside)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_cut_where_the_tag_begins() {
        for (image, parts) in [
            ("debian", ("debian", "latest")),
            ("debian:12", ("debian", "12")),
            ("localhost:5000/a/b", ("localhost:5000/a/b", "latest")),
            ("localhost:5000/a:1", ("localhost:5000/a", "1")),
            ("a@sha256:00", ("a@sha256:00", "")),
        ] {
            assert_eq!(name_and_tag(image), parts, "{image}");
        }
    }

    #[test]
    fn a_context_is_the_same_archive_whenever_it_was_written() {
        let made = || {
            let context = tempfile::tempdir().unwrap();
            std::fs::create_dir(context.path().join("sub")).unwrap();
            for name in ["Dockerfile", "b", "a", "sub/c"] {
                std::fs::write(context.path().join(name), name).unwrap();
            }
            archive(context.path()).unwrap()
        };
        assert_eq!(made(), made());
    }

    #[test]
    fn a_context_without_a_dockerfile_is_named() {
        let context = tempfile::tempdir().unwrap();
        let error = archive(context.path()).unwrap_err();
        assert!(error.to_string().contains("has no Dockerfile"), "{error}");
    }
}
