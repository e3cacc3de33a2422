//! What the daemon's refusals mean.

use bollard::errors::Error as Refusal;
use harness_core::{Error, ErrorKind};

/// The sandbox failed while `doing` something.
pub(super) fn broken(doing: &str, refusal: Refusal) -> Error {
    Error::new(ErrorKind::Sandbox, format!("the container daemon failed at {doing}"))
        .with_source(refusal)
}

/// The status of an HTTP answer that was no success.
pub(super) fn status(refusal: &Refusal) -> Option<u16> {
    match refusal {
        Refusal::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether the daemon says that there is no such thing.
pub(super) fn is_missing(refusal: &Refusal) -> bool {
    status(refusal) == Some(404)
}

/// Whether the daemon says that a path leads to nothing: it is not there, leads through a file, or round in a circle.
/// Podman tells the last two as its own failure, the circle without a word.
pub(super) fn leads_nowhere(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::DockerResponseServerError { status_code: 404, .. } => true,
        Refusal::DockerResponseServerError { status_code: 400 | 500, message } => {
            let message = message.trim();
            message.is_empty()
                || ["not a directory", "too many links", "too many levels", "no such file"]
                    .iter()
                    .any(|known| message.to_lowercase().contains(known))
        }
        _ => false,
    }
}
