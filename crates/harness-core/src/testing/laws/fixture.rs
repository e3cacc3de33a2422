//! What a factory gives to a law.

use std::any::Any;
use std::fmt;
use std::future::{IntoFuture, Ready, ready};

use crate::error::Result;

/// A value to check with its guard, or the reason why it cannot be had here.
///
/// Awaiting a fixture gives the fixture, so a factory may be an ordinary closure or an async one.
pub struct Fixture<T>(State<T>);

enum State<T> {
    Ready(T, Box<dyn Any + Send + Sync>),
    Broken(String),
    Unavailable(String),
}

impl<T> Fixture<T> {
    /// A value that needs nothing else to live.
    pub fn new(value: T) -> Self {
        Self(State::Ready(value, Box::new(())))
    }

    /// A value with what must live as long as it: a temporary directory, a server.
    pub fn guarded(value: T, guard: impl Any + Send + Sync) -> Self {
        Self(State::Ready(value, Box::new(guard)))
    }

    /// Why this machine cannot build the value: the law is skipped.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self(State::Unavailable(reason.into()))
    }

    /// The value and its guard.
    ///
    /// # Errors
    /// Skipped when it cannot be had here, broken when building it failed.
    pub fn into_parts(self) -> Result<(T, Box<dyn Any + Send + Sync>), super::Unkept> {
        match self.0 {
            State::Ready(value, guard) => Ok((value, guard)),
            State::Broken(why) => super::broken(why),
            State::Unavailable(why) => super::skipped(why),
        }
    }
}

/// A failure to build is a failure of the law, not a skip.
impl<T> From<Result<T>> for Fixture<T> {
    fn from(built: Result<T>) -> Self {
        match built {
            Ok(value) => Self::new(value),
            Err(error) => Self(State::Broken(format!("the factory failed: {}", error.report()))),
        }
    }
}

impl<T> IntoFuture for Fixture<T> {
    type Output = Self;
    type IntoFuture = Ready<Self>;

    fn into_future(self) -> Self::IntoFuture {
        ready(self)
    }
}

impl<T: fmt::Debug> fmt::Debug for Fixture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Ready(value, _) => f.debug_tuple("Ready").field(value).finish(),
            State::Broken(why) => f.debug_tuple("Broken").field(why).finish(),
            State::Unavailable(why) => f.debug_tuple("Unavailable").field(why).finish(),
        }
    }
}
