//! What pictures say about the people who took them, taken out.
//!
//! Cameras write down where and when, with which device, and for whom. None of
//! that is needed to show a picture, except which side is up. What is kept is what
//! shows the picture, by name; whatever else is in a file, between its parts or behind
//! its end, is left out. A file that breaks off in the middle of its pixels ends there.

mod gif;
mod jpeg;
mod png;
#[cfg(test)]
mod tests;
mod webp;

use bytes::Bytes;
use tower_rampart::upload::Kind;

/// Takes out what is not needed to show a picture. One that has nothing of the kind
/// stays as it is, byte by byte; `None` if there is no picture in it.
pub(crate) fn strip(kind: Kind, bytes: &Bytes) -> Option<Bytes> {
    let kept = match kind {
        Kind::Gif => gif::strip(bytes),
        Kind::Jpeg => jpeg::strip(bytes),
        Kind::Png => png::strip(bytes),
        Kind::WebP => webp::strip(bytes),
        _ => return None,
    }?;
    Some(if kept == *bytes {
        bytes.clone()
    } else {
        kept.into()
    })
}

/// Takes so many bytes off the front, if there are as many.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}
