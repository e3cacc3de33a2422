//! Names that are types, and fingerprints of content.

use std::fmt;
use std::io::{self, BufWriter};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, ErrorKind, Result};

/// BLAKE3 over the canonical JSON (RFC 8785) of a value: equal content, equal fingerprint, whatever
/// the order of keys or the build's serde features.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of `value`'s canonical JSON.
    ///
    /// # Errors
    /// [`ErrorKind::Contract`] when `value` has no JSON form (a map whose keys are not text, a
    /// number that is not finite).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let bytes = serde_json_canonicalizer::to_vec(&value).map_err(|source| {
            Error::new(
                ErrorKind::Contract,
                format!("a {} has no canonical JSON form", std::any::type_name::<T>()),
            )
            .with_source(source)
        })?;
        Ok(Self::of_bytes(&bytes))
    }

    /// The fingerprint of `value`'s JSON as serde writes it: quicker than [`Fingerprint::of`], and equal for equal values of
    /// one type only.
    ///
    /// # Errors
    /// As [`Fingerprint::of`].
    pub fn of_json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let mut writer = BufWriter::with_capacity(4096, blake3::Hasher::new());
        let written = serde_json::to_writer(&mut writer, value).map_err(io::Error::from);
        let hasher = written.and_then(|()| Ok(writer.into_inner()?)).map_err(|source| {
            Error::new(ErrorKind::Contract, "a value has no JSON form").with_source(source)
        })?;
        Ok(Self(*hasher.finalize().as_bytes()))
    }

    /// The fingerprint of raw bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The first twelve hexadecimal digits: enough for a person.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }

    /// The first eight bytes as a number, to seed whatever must be random and repeatable.
    pub fn seed(&self) -> u64 {
        self.0[..8].iter().fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.short())
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|source| {
            Error::new(ErrorKind::InvalidInput, format!("'{text}' is not a fingerprint"))
                .with_source(source)
        })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text; every text is a possible name.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// A task's name, unique in its benchmark.
    TaskName
}
text_id! {
    /// A weakness of one round: derived from its signature, so the same weakness keeps its id.
    WeaknessId
}
text_id! {
    /// A proposal of one run, such as `r2-p1`.
    ProposalId
}
text_id! {
    /// A place of a harness that may be edited: a JSON pointer for documents, any unique text else.
    SurfaceId
}

/// Which model thinks: the provider that serves it, and the provider's name for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelId {
    /// `openai`, `anthropic`, `simulated`, … : who answers.
    pub provider: String,
    /// The provider's name for the model.
    pub name: String,
}

impl ModelId {
    /// The provider under which simulated models run, and nothing else may.
    pub const SIMULATED: &'static str = "simulated";

    /// The model `name` at `provider`.
    pub fn new(provider: impl Into<String>, name: impl Into<String>) -> Self {
        Self { provider: provider.into(), name: name.into() }
    }

    /// Whether what this model achieves must be labelled as simulated wherever it is shown.
    pub fn is_simulated(&self) -> bool {
        self.provider == Self::SIMULATED
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.name)
    }
}
