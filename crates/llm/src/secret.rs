//! A key that cannot be shown by accident.

use std::fmt;

use harness_core::{Error, ErrorKind, Redactor, Result};

/// A key for a model's server. Neither `Debug` nor any error shows it; it leaves this type only in the request
/// that it authorises.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key. White space around it, as files and variables often carry, is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] when it is empty or holds characters that no HTTP header can carry.
    pub fn new(key: impl Into<String>) -> Result<Self> {
        let key = key.into().trim().to_owned();
        if key.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "the key is empty"));
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "the key holds a space, a control character or a character beyond ASCII: copy it anew";
            return Err(Error::new(ErrorKind::InvalidInput, why));
        }
        Ok(Self(key))
    }

    /// The key in the environment variable `variable`; `None` when it is not set or empty. For the edge of a program:
    /// nothing else in this crate reads the environment.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the variable when its value cannot be a key.
    pub fn from_variable(variable: &str) -> Result<Option<Self>> {
        match std::env::var(variable) {
            Ok(key) if key.trim().is_empty() => Ok(None),
            Ok(key) => Self::new(key).map(Some).map_err(|error| error.while_doing(variable)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Error::new(ErrorKind::InvalidInput, format!("{variable} is not text")))
            }
        }
    }

    /// Finds this key, in any form, in whatever is written down.
    ///
    /// # Errors
    /// Those of [`Redactor::new`].
    pub fn redactor(&self) -> Result<Redactor> {
        Redactor::new([&self.0])
    }

    /// The key itself.
    #[cfg(any(feature = "openai", feature = "anthropic"))]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the key, should a server have echoed it.
    #[cfg(any(feature = "openai", feature = "anthropic"))]
    pub(crate) fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "[key]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let key = Secret::new(" sk-very-secret\n").unwrap();
        assert_eq!(format!("{key:?}{key:#?}"), "Secret(…)Secret(…)");
        for bad in ["", "  ", "sk-\u{e9}", "two words"] {
            let error = Secret::new(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(bad.trim().is_empty() || !error.report().contains(bad));
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_no_key() {
        assert!(Secret::from_variable("HARNESS_LLM_NO_SUCH_VARIABLE").unwrap().is_none());
    }
}
