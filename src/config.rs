//! Configuration problems, reported all at once.

use std::error::Error;
use std::fmt;

/// What is wrong with a configuration: one or more problems, each with its fix.
///
/// # Examples
///
/// ```
/// use tower_rampart::cors::{CorsLayer, OriginPolicy};
///
/// let problems = OriginPolicy::builder()
///     .origin("https://app.example:443")
///     .origin("null")
///     .build()
///     .expect_err("browsers drop `:443`, and `null` is every sandboxed page");
/// assert_eq!(problems.iter().count(), 2);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems<P>(Vec<P>);

impl<P> Problems<P> {
    /// Returns the value, or the problems if there are any.
    pub(crate) fn check<T>(problems: Vec<P>, value: impl FnOnce() -> T) -> Result<T, Self> {
        if problems.is_empty() {
            Ok(value())
        } else {
            Err(Self(problems))
        }
    }

    /// Returns problems that are known to exist; `otherwise` stands in for an
    /// empty list.
    #[cfg(any(feature = "jwks-client", feature = "session"))]
    pub(crate) fn of(problems: Vec<P>, otherwise: P) -> Self {
        if problems.is_empty() {
            Self(vec![otherwise])
        } else {
            Self(problems)
        }
    }

    /// Turns the problems of a part into those of the whole.
    #[cfg(feature = "session")]
    pub(crate) fn map<Q>(self, convert: impl FnMut(P) -> Q) -> Problems<Q> {
        Problems(self.0.into_iter().map(convert).collect())
    }

    /// Iterates over the problems, in the order of the settings.
    pub fn iter(&self) -> std::slice::Iter<'_, P> {
        self.0.iter()
    }

    /// Returns the problems.
    #[must_use]
    pub fn into_problems(self) -> Vec<P> {
        self.0
    }
}

impl<P> From<P> for Problems<P> {
    fn from(problem: P) -> Self {
        Self(vec![problem])
    }
}

impl<'a, P> IntoIterator for &'a Problems<P> {
    type Item = &'a P;
    type IntoIter = std::slice::Iter<'a, P>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<P: fmt::Display> fmt::Display for Problems<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl<P: fmt::Debug + fmt::Display> Error for Problems<P> {}
