//! Whose requests are counted together.

use std::fmt;
use std::hash::Hasher as _;
use std::net::IpAddr;

use http::{HeaderName, request};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::error::Problem;
use super::field::Field;
use super::rate::RUNGS;
use crate::identity::{ClientAddr, Principal, Route};
use crate::wire::cookie::{CookieLookup, is_name, lookup};

/// Whose requests share a quota.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Key {
    /// A client address. IPv6 by its /64, which is what one network gets; all of
    /// a /56 together may do four times as much, and all of a /48 sixteen times.
    ClientAddr,
    /// Everybody together.
    Global,
    /// The value of a request header, all lines of it; the client address if
    /// there is none. The client chooses the value, so this limits nobody who
    /// does not want to be limited: put a limit by address outside it, or check
    /// the value first.
    Header(HeaderName),
    /// The value of a cookie, with the same warning as of a header; the client
    /// address if there is none, or several of that name.
    Cookie(String),
    /// The subject of the verified [`Principal`]; the client address if there
    /// is none.
    Subject,
    /// The [`Route`] that an outer layer found, or axum's `MatchedPath`; all
    /// requests without one count together. Never the path itself: a client
    /// could write a new one each time.
    Route,
    /// The [`Field`] that a [`FieldLayer`](super::FieldLayer) found in the body;
    /// the client address if there is none. The client chooses the value.
    Field,
    /// Several at once: one quota for each combination.
    All(Vec<Self>),
}

impl Key {
    /// Tells in words who is counted.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::ClientAddr => "client address".to_owned(),
            Self::Global => "everybody together".to_owned(),
            Self::Header(name) => format!("header {name}"),
            Self::Cookie(name) => format!("cookie {name}"),
            Self::Subject => "subject".to_owned(),
            Self::Route => "route".to_owned(),
            Self::Field => "field of the body".to_owned(),
            Self::All(keys) => {
                let each: Vec<_> = keys.iter().map(Self::in_words).collect();
                each.join(" and ")
            }
        }
    }
}

/// What a request is counted under, hashed: itself, and wider ones that allow
/// more.
pub(super) type Rungs = [Option<u128>; RUNGS.len()];

/// Whom a request is counted as, for [`RateLimitHandle`](super::RateLimitHandle).
///
/// # Examples
///
/// ```
/// use tower_rampart::rate_limit::Caller;
///
/// let caller = Caller::all([Caller::subject("user-17"), Caller::route("/api/images")]);
/// assert_eq!(caller.to_string(), "subject user-17, route /api/images");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Everybody,
    Address(IpAddr),
    Text(Tag, Vec<u8>),
}

/// Keeps the kinds apart: a subject cannot pose as an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tag {
    Everybody = 0,
    Subject = 1,
    Header = 2,
    Cookie = 3,
    Address4 = 4,
    Route = 5,
    Address6 = 6,
    Field = 7,
    Text = 8,
}

impl Caller {
    /// Everybody, of [`Key::Global`].
    #[must_use]
    pub fn everybody() -> Self {
        Self(vec![Part::Everybody])
    }

    /// A client address, of [`Key::ClientAddr`]; of IPv6 its /64.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self(vec![Part::Address(ClientAddr::new(address).ip())])
    }

    /// A subject, of [`Key::Subject`].
    #[must_use]
    pub fn subject(subject: &str) -> Self {
        Self::of(Tag::Subject, subject.as_bytes())
    }

    /// The one line of a header, of [`Key::Header`].
    #[must_use]
    pub fn header(value: &[u8]) -> Self {
        Self::of(Tag::Header, &[value, b"\n"].concat())
    }

    /// The value of a cookie, of [`Key::Cookie`].
    #[must_use]
    pub fn cookie(value: &str) -> Self {
        Self::of(Tag::Cookie, value.as_bytes())
    }

    /// A route, of [`Key::Route`].
    #[must_use]
    pub fn route(route: &str) -> Self {
        Self::of(Tag::Route, route.as_bytes())
    }

    /// A field of the body, of [`Key::Field`].
    #[must_use]
    pub fn field(value: &str) -> Self {
        Self::of(Tag::Field, value.as_bytes())
    }

    /// What was given to [`RateLimiter::check`](super::RateLimiter::check).
    #[must_use]
    pub fn text(text: &[u8]) -> Self {
        Self::of(Tag::Text, text)
    }

    /// Several at once, of [`Key::All`], in its order.
    #[must_use]
    pub fn all(callers: impl IntoIterator<Item = Self>) -> Self {
        Self(callers.into_iter().flat_map(|caller| caller.0).collect())
    }

    fn of(tag: Tag, text: &[u8]) -> Self {
        Self(vec![Part::Text(tag, text.to_vec())])
    }

    pub(super) fn rungs(&self, hasher: &SipHasher13) -> Rungs {
        rungs(hasher, |sink| {
            for part in &self.0 {
                match part {
                    Part::Everybody => sink.text(Tag::Everybody, &[b""]),
                    Part::Address(address) => sink.address(*address),
                    Part::Text(tag, text) => sink.text(*tag, &[text]),
                }
            }
            Some(())
        })
        .unwrap_or_default()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            match part {
                Part::Everybody => write!(f, "{separator}everybody")?,
                Part::Address(address) => write!(f, "{separator}{address}")?,
                Part::Text(tag, text) => {
                    let kind = format!("{tag:?}").to_lowercase();
                    let text = String::from_utf8_lossy(text);
                    write!(f, "{separator}{kind} {}", text.trim_end().escape_debug())?;
                }
            }
        }
        Ok(())
    }
}

/// Hashes what was given to a limiter, as [`Caller::text`] does.
pub(super) fn text_rungs(hasher: &SipHasher13, text: &[u8]) -> Rungs {
    rungs(hasher, |sink| {
        sink.text(Tag::Text, &[text]);
        Some(())
    })
    .unwrap_or_default()
}

/// Hashes a rung, piece by piece.
struct Sink {
    hasher: SipHasher13,
    rung: usize,
    has_ladder: bool,
}

impl Sink {
    fn text(&mut self, tag: Tag, pieces: &[&[u8]]) {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Most keys are short, and hashing in one go is much faster.
        let mut short = [0; 40];
        short[0] = tag as u8;
        short[1..9].copy_from_slice(&(length as u64).to_le_bytes());
        if let ([piece], true) = (pieces, length <= short.len() - 9) {
            short[9..9 + length].copy_from_slice(piece);
            self.hasher.write(&short[..9 + length]);
            return;
        }
        self.hasher.write(&short[..9]);
        for piece in pieces {
            self.hasher.write(piece);
        }
    }

    fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.text(Tag::Address4, &[&v4.octets()]),
            IpAddr::V6(v6) => {
                self.has_ladder = true;
                let network = 8 - self.rung;
                self.text(Tag::Address6, &[&v6.octets()[..network]]);
            }
        }
    }
}

/// Hashes each rung of what `write` writes: one, or three if there is an IPv6
/// address in it.
fn rungs(hasher: &SipHasher13, write: impl Fn(&mut Sink) -> Option<()>) -> Option<Rungs> {
    let mut rungs = Rungs::default();
    for (rung, key) in rungs.iter_mut().enumerate() {
        let mut sink = Sink {
            hasher: *hasher,
            rung,
            has_ladder: false,
        };
        write(&mut sink)?;
        let (low, high) = sink.hasher.finish128().as_u64();
        *key = Some(u128::from(low) | u128::from(high) << 64);
        if !sink.has_ladder {
            break;
        }
    }
    Some(rungs)
}

impl Key {
    /// Hashes the key of a request, or returns `None` if an address is needed
    /// and not known.
    pub(super) fn of(
        &self,
        head: &request::Parts,
        address: Option<ClientAddr>,
        hasher: &SipHasher13,
    ) -> Option<Rungs> {
        rungs(hasher, |sink| self.write(head, address, sink))
    }

    fn write(
        &self,
        head: &request::Parts,
        address: Option<ClientAddr>,
        sink: &mut Sink,
    ) -> Option<()> {
        if let Self::All(keys) = self {
            return keys
                .iter()
                .try_for_each(|key| key.write(head, address, sink));
        }
        if self
            .with_text(head, |tag, pieces| sink.text(tag, pieces))
            .is_none()
        {
            sink.address(address?.ip());
        }
        Some(())
    }

    /// Finds what a request is counted under, unless it is its address.
    fn with_text<T>(
        &self,
        head: &request::Parts,
        use_it: impl FnOnce(Tag, &[&[u8]]) -> T,
    ) -> Option<T> {
        match self {
            Self::Global => Some(use_it(Tag::Everybody, &[b""])),
            Self::Subject => {
                let who = head.extensions.get::<Principal>()?;
                Some(use_it(Tag::Subject, &[who.subject().as_bytes()]))
            }
            Self::Header(name) => {
                let mut lines = head.headers.get_all(name).iter();
                let first = lines.next()?.as_bytes();
                if lines.next().is_none() {
                    return Some(use_it(Tag::Header, &[first, b"\n"]));
                }
                let each = head.headers.get_all(name).iter();
                let pieces: Vec<&[u8]> = each.flat_map(|line| [line.as_bytes(), b"\n"]).collect();
                Some(use_it(Tag::Header, &pieces))
            }
            Self::Cookie(name) => match lookup(&head.headers, name) {
                CookieLookup::Value(value) => Some(use_it(Tag::Cookie, &[value.as_bytes()])),
                _ => None,
            },
            Self::Route => Some(use_it(
                Tag::Route,
                &[route(head).unwrap_or_default().as_bytes()],
            )),
            Self::Field => {
                let field = head.extensions.get::<Field>()?;
                Some(use_it(Tag::Field, &[field.as_str().as_bytes()]))
            }
            Self::ClientAddr | Self::All(_) => None,
        }
    }

    /// Finds who a request is counted as, to tell an operator.
    pub(super) fn caller(
        &self,
        head: &request::Parts,
        address: Option<ClientAddr>,
    ) -> Option<Caller> {
        if let Self::All(keys) = self {
            let callers = keys.iter().map(|key| key.caller(head, address));
            return callers.collect::<Option<Vec<_>>>().map(Caller::all);
        }
        let text = self.with_text(head, |tag, pieces| match tag {
            Tag::Everybody => Caller::everybody(),
            tag => Caller::of(tag, &pieces.concat()),
        });
        text.or_else(|| address.map(|address| Caller::address(address.ip())))
    }

    /// Finds what is wrong with a key.
    pub(super) fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Cookie(name) if !is_name(name) => {
                vec![Problem::Cookie { name: name.clone() }]
            }
            Self::All(keys) if keys.is_empty() => vec![Problem::Key],
            Self::All(keys) => {
                let nested = keys.iter().any(|key| matches!(key, Self::All(_)));
                let each = keys.iter().filter(|key| !matches!(key, Self::All(_)));
                let mut problems: Vec<_> = each.flat_map(Self::problems).collect();
                problems.extend(nested.then_some(Problem::Key));
                problems
            }
            _ => Vec::new(),
        }
    }

    /// Tells whether a request is counted by its subject.
    pub(super) fn counts_subjects(&self) -> bool {
        match self {
            Self::Subject => true,
            Self::All(keys) => keys.iter().any(Self::counts_subjects),
            _ => false,
        }
    }

    /// Tells whether the address of a request may be needed.
    pub(super) fn needs_address(&self) -> bool {
        match self {
            Self::Global | Self::Route => false,
            Self::All(keys) => keys.iter().any(Self::needs_address),
            _ => true,
        }
    }
}

fn route(head: &request::Parts) -> Option<&str> {
    let known = head.extensions.get::<Route>().map(Route::as_str);
    #[cfg(feature = "axum")]
    let known = known.or_else(|| {
        let matched = head.extensions.get::<::axum::extract::MatchedPath>();
        matched.map(::axum::extract::MatchedPath::as_str)
    });
    known
}
