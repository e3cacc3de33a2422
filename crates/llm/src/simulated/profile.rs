//! Which simulated model: its weaknesses and how good an improver it is.

use harness_core::{Error, ErrorKind, Result};

use super::profiles::{Doses, PROFILES};

/// A named set of documented weaknesses.
#[derive(Clone, Copy, Debug)]
pub struct Profile(pub(super) &'static Doses);

impl Profile {
    /// The profile called `name`, as after `simulated:` in a model's name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] naming the profiles that there are.
    pub fn named(name: &str) -> Result<Self> {
        PROFILES.iter().find(|doses| doses.name == name).map(Self).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(|profile| profile.name()).collect();
            let why =
                format!("there is no simulated model '{name}'; there are: {}", known.join(", "));
            Error::new(ErrorKind::InvalidInput, why)
        })
    }

    /// All profiles.
    pub fn all() -> impl Iterator<Item = Self> {
        PROFILES.iter().map(Self)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// What it does wrong, in a few words.
    pub fn summary(&self) -> &'static str {
        self.0.summary
    }
}
