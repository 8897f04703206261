//! What every layer below may want to know of a request.
//!
//! Gives each request a fresh [`RequestId`], unless an outer one did, which goes into refusals, into
//! the log and into `X-Request-Id`; finds its [`ClientAddr`]; carries the
//! [`Renderer`] of refusals; and marks credentials as sensitive, so that who
//! prints headers further in does not print those.
//!
//! # What it does not stop
//!
//! Nothing: it refuses no request. An `X-Request-Id` that a client sends is
//! replaced, so that nobody writes into the log.

mod layer;

pub use layer::{Context, ContextLayer};

#[doc(no_inline)]
pub use crate::identity::{ClientAddr, RequestId};
#[doc(no_inline)]
pub use crate::rejection::Renderer;
