//! What stands in for argon2id in a build without it: nothing that can exist.

use std::convert::Infallible;

use super::error::OutOfMemory;
use super::pepper::PepperId;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Argon2id(Infallible);

impl Argon2id {
    pub(super) fn is_below(self, _other: Self) -> bool {
        match self.0 {}
    }

    pub(super) fn at_least(self, _other: Self) -> Self {
        self
    }

    pub(super) fn hash(
        self,
        _pepper: Option<(PepperId, &[u8])>,
        _salt: [u8; 16],
        _password: &[u8],
    ) -> Result<String, OutOfMemory> {
        match self.0 {}
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stored {
    pub(super) costs: Argon2id,
    pub(super) pepper: Option<PepperId>,
}

impl Stored {
    pub(super) fn read(_rest: &str) -> Option<Self> {
        None
    }

    pub(super) fn is_too_costly(&self) -> bool {
        match self.costs.0 {}
    }

    pub(super) fn matches(
        &self,
        _pepper: Option<&[u8]>,
        _password: &[u8],
    ) -> Result<bool, OutOfMemory> {
        match self.costs.0 {}
    }
}

/// There is nothing to compute.
pub(super) fn computes_what_it_must() -> bool {
    true
}
