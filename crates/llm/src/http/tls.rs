//! Encryption: rustls over ring, with the certificates that the system trusts.

use std::sync::Arc;

use harness_core::{Error, ErrorKind, Result};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// A configuration of our own: a library must not install a provider for its whole process.
///
/// For an address without encryption no certificate is looked for, so that a machine without any can still reach
/// a server on itself.
pub(crate) fn config(encrypted: bool) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| broken("TLS cannot be set up").with_source(source))?;
    if !encrypted {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let verified = builder.with_platform_verifier().map_err(|source| {
        broken("this system has no trusted certificates: install its package ca-certificates")
            .with_source(source)
    })?;
    Ok(verified.with_no_client_auth())
}

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}
