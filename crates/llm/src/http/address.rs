//! Where a server listens, fit to be shown.

use std::fmt;

use harness_core::{Error, ErrorKind, Result};
use reqwest::Url;

/// The address of one of a server's endpoints.
#[derive(Clone)]
pub(crate) struct Address {
    /// What is requested.
    pub(crate) url: Url,
    /// The list of models beside it.
    pub(crate) models: Url,
    /// What people read: without the query.
    pub(crate) shown: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Address {
    /// Appends `endpoint` to a base address such as `http://127.0.0.1:8080/v1`, unless it ends so already.
    pub(crate) fn of(base: &str, endpoint: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let why = format!("the base URL '{}' {why}", without_user(base));
            Err(Error::new(ErrorKind::InvalidInput, why))
        };
        let Ok(mut url) = Url::parse(base.trim()) else {
            return refuse("is not a URL; it looks like http://127.0.0.1:8080/v1");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("has to begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("holds a user name or password; hand the key over in the environment");
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let root =
            path.strip_suffix(endpoint).map_or(path.as_str(), |root| root.trim_end_matches('/'));
        url.set_fragment(None);
        let mut models = url.clone();
        models.set_path(&format!("{root}/models"));
        url.set_path(&format!("{root}/{endpoint}"));
        let mut plain = url.clone();
        plain.set_query(None);
        Ok(Self { url, models, shown: plain.to_string() })
    }

    /// The address before the endpoint.
    pub(crate) fn base(&self) -> String {
        let mut base = self.models.clone();
        let root = base.path().trim_end_matches("/models").to_owned();
        base.set_path(&root);
        base.to_string()
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// A base URL as given, for a message: what stands before an `@` may be a password, what follows a `?` a key.
fn without_user(base: &str) -> &str {
    let base = base.split(['?', '#']).next().unwrap_or_default();
    base.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = "chat/completions";

    #[test]
    fn the_path_is_completed_once() {
        for base in
            ["http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions", " http://h:1/v1 "]
        {
            assert_eq!(Address::of(base, CHAT).unwrap().shown, "http://h:1/v1/chat/completions");
        }
        let azure = Address::of("https://h/openai/deployments/d?api-version=1", CHAT).unwrap();
        assert_eq!(azure.url.query(), Some("api-version=1"));
        assert!(!azure.shown.contains("api-version"));
        assert_eq!(azure.models.path(), "/openai/deployments/d/models");
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_without_secrets() {
        for base in
            ["", "localhost", "ftp://h/v1", "http://me:hunter2@h/v1", "me:hunter2@h?key=hunter2"]
        {
            let error = Address::of(base, CHAT).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(!error.report().contains("hunter2"), "{}", error.report());
        }
    }
}
