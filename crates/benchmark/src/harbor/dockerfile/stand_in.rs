//! Images that the host's system directories can stand in for.

/// The programs that the host must have to stand in for `image`; `None` when it cannot.
pub(crate) fn stand_in(image: &str) -> Option<&'static [&'static str]> {
    let image = ["index.docker.io/", "docker.io/"]
        .iter()
        .find_map(|registry| image.strip_prefix(registry))
        .unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    let name = image.split('@').next()?;
    let (name, tag) = name.split_once(':').unwrap_or((name, "latest"));
    match name {
        // The image of the shell is built on Alpine whatever its tag says; only the shell matters.
        "bash" => Some(&["bash"]),
        _ if tag.contains("alpine") => None,
        "debian" | "ubuntu" | "buildpack-deps" => Some(&[]),
        "python" => Some(&["python3"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_stood_in_for_and_others_are_not() {
        for image in [
            "debian",
            "debian:bookworm-slim",
            "docker.io/library/ubuntu:24.04",
            "buildpack-deps@sha256:00",
        ] {
            assert_eq!(stand_in(image), Some(&[] as &[&str]), "{image}");
        }
        assert_eq!(stand_in("python:3.13-slim"), Some(["python3"].as_slice()));
        for image in
            ["alpine", "python:3.13-alpine", "ghcr.io/somebody/debian", "node:22", "scratch", ""]
        {
            assert_eq!(stand_in(image), None, "{image}");
        }
    }
}
