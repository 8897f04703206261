//! A JWT claims set whose registered members have the right types (RFC 7519 §4.1).
//!
//! The text is kept as it came; members are places in it, so that reading a
//! token allocates twice, however many claims it has.
#![cfg_attr(
    not(all(feature = "jwt", feature = "aws-lc-rs")),
    allow(dead_code, reason = "without tokens, claims are only written")
)]

use std::fmt;
use std::sync::OnceLock;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::strict_json::{self, Names, Numbers, Skip, Text};

/// The claims of a token. Times are seconds since 1970.
pub(crate) struct ClaimSet {
    json: String,
    /// Texts that are not in `json` as they read: those with escapes.
    unescaped: String,
    pub(crate) registered: Registered,
    members: OnceLock<Map<String, Value>>,
}

/// Where the registered claims are.
#[derive(Debug, Default)]
pub(crate) struct Registered {
    pub(crate) issuer: Option<Span>,
    pub(crate) subject: Option<Span>,
    pub(crate) audience: Spans,
    pub(crate) session: Option<Span>,
    pub(crate) scope: Option<Span>,
    pub(crate) roles: Spans,
    pub(crate) context_class: Option<Span>,
    pub(crate) expires_at: Option<u64>,
    pub(crate) not_before: Option<u64>,
    pub(crate) issued_at: Option<u64>,
    pub(crate) authenticated_at: Option<u64>,
    /// Which refresh token of its session the token came with (`rg`).
    pub(crate) generation: Option<u64>,
    /// How often all sessions of the subject had been ended (`ep`).
    pub(crate) epoch: Option<u64>,
    /// How often everybody's sessions had been ended (`epa`).
    pub(crate) common_epoch: Option<u64>,
    /// Whether the token is bound to a key (`cnf`, RFC 7800 §3.1).
    pub(crate) is_bound: bool,
}

/// A place of a text in a claims set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
    unescaped: bool,
}

impl Span {
    /// Texts of over 4 GiB have no place, and read as empty.
    fn new(start: usize, len: usize, unescaped: bool) -> Self {
        let place = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        Self {
            start: place(start),
            end: place(start.saturating_add(len)),
            unescaped,
        }
    }
}

/// One text or several.
#[derive(Debug, Default)]
pub(crate) enum Spans {
    #[default]
    None,
    One(Span),
    Many(Vec<Span>),
}

impl ClaimSet {
    /// Reads a claims set. Repeated names, and registered claims of a wrong
    /// type, make it none.
    pub(crate) fn parse(json: String) -> Option<Self> {
        let mut unescaped = String::new();
        let reader = Reader {
            json: &json,
            unescaped: &mut unescaped,
        };
        let registered = strict_json::members(&json, reader)?;
        Some(Self {
            json,
            unescaped,
            registered,
            members: OnceLock::new(),
        })
    }

    /// Starts a claims set that comes from elsewhere than a token.
    pub(crate) fn of(members: Map<String, Value>) -> Self {
        Self {
            json: String::new(),
            unescaped: String::new(),
            registered: Registered::default(),
            members: OnceLock::from(members),
        }
    }

    /// Adds a text, and returns its place.
    pub(crate) fn push(&mut self, text: &str) -> Span {
        push(&mut self.unescaped, text)
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        let whole = if span.unescaped {
            &self.unescaped
        } else {
            &self.json
        };
        whole
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    pub(crate) fn subject(&self) -> &str {
        self.registered
            .subject
            .map_or("", |subject| self.text(subject))
    }

    pub(crate) fn texts<'a>(&'a self, spans: &'a Spans) -> impl Iterator<Item = &'a str> {
        let list: &[Span] = match spans {
            Spans::None => &[],
            Spans::One(one) => std::slice::from_ref(one),
            Spans::Many(many) => many,
        };
        list.iter().map(|span| self.text(*span))
    }

    /// Returns all members; they are read at the first call.
    pub(crate) fn members(&self) -> &Map<String, Value> {
        self.members
            .get_or_init(|| strict_json::object(&self.json).unwrap_or_default())
    }

    /// Returns how many bytes the texts take.
    pub(crate) fn len(&self) -> usize {
        self.json.len() + self.unescaped.len()
    }
}

fn push(unescaped: &mut String, text: &str) -> Span {
    let start = unescaped.len();
    unescaped.push_str(text);
    Span::new(start, text.len(), true)
}

/// Reads the members of a claims set.
struct Reader<'j, 'u> {
    json: &'j str,
    unescaped: &'u mut String,
}

impl<'j> Reader<'j, '_> {
    /// Finds where a text is; a borrowed one lies within the JSON text.
    fn place(&mut self, text: &str) -> Span {
        let start = (text.as_ptr() as usize).checked_sub(self.json.as_ptr() as usize);
        match start {
            Some(start) if self.json.get(start..start + text.len()) == Some(text) => {
                Span::new(start, text.len(), false)
            }
            _ => push(self.unescaped, text),
        }
    }

    fn text<A: MapAccess<'j>>(&mut self, access: &mut A) -> Result<Option<Span>, A::Error> {
        let text = access.next_value_seed(Text)?;
        Ok(Some(self.place(&text)))
    }
}

impl<'j> Visitor<'j> for Reader<'j, '_> {
    type Value = Registered;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claims set")
    }

    fn visit_map<A: MapAccess<'j>>(mut self, mut access: A) -> Result<Registered, A::Error> {
        let mut claims = Registered::default();
        // Names that are not registered can repeat only each other.
        let (mut registered, mut others) = (Numbers::default(), Names::default());
        while let Some(name) = access.next_key_seed(Text)? {
            match &*name {
                "iss" => claims.issuer = registered.once(0, self.text(&mut access)?)?,
                "sub" => claims.subject = registered.once(1, self.text(&mut access)?)?,
                "sid" => claims.session = registered.once(2, self.text(&mut access)?)?,
                "scope" => claims.scope = registered.once(3, self.text(&mut access)?)?,
                "acr" => claims.context_class = registered.once(4, self.text(&mut access)?)?,
                "jti" => drop(registered.once(5, access.next_value_seed(Text)?)?),
                "aud" => {
                    let audience = access.next_value_seed(OneOrMany(&mut self))?;
                    claims.audience = registered.once(6, audience)?;
                }
                "roles" => {
                    let roles = access.next_value_seed(Many(&mut self))?;
                    claims.roles = registered.once(7, roles)?;
                }
                "exp" => claims.expires_at = registered.once(8, Some(access.next_value()?))?,
                "nbf" => claims.not_before = registered.once(9, Some(access.next_value()?))?,
                "iat" => claims.issued_at = registered.once(10, Some(access.next_value()?))?,
                "auth_time" => {
                    claims.authenticated_at = registered.once(11, Some(access.next_value()?))?;
                }
                // Others may mean something else by these names.
                "rg" => claims.generation = registered.once(12, access.next_value_seed(Skip)?)?,
                "ep" => claims.epoch = registered.once(13, access.next_value_seed(Skip)?)?,
                "epa" => {
                    claims.common_epoch = registered.once(14, access.next_value_seed(Skip)?)?
                }
                other => {
                    claims.is_bound |= other == "cnf";
                    others.once(name)?;
                    access.next_value_seed(Skip)?;
                }
            }
        }
        Ok(claims)
    }
}

/// A list of strings.
struct Many<'r, 'j, 'u>(&'r mut Reader<'j, 'u>);

impl<'j> DeserializeSeed<'j> for Many<'_, 'j, '_> {
    type Value = Spans;

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<Spans, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'j> Visitor<'j> for Many<'_, 'j, '_> {
    type Value = Spans;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut access: A) -> Result<Spans, A::Error> {
        let mut spans = Spans::None;
        while let Some(text) = access.next_element_seed(Text)? {
            let span = self.0.place(&text);
            match &mut spans {
                Spans::None => spans = Spans::One(span),
                Spans::One(first) => spans = Spans::Many(vec![*first, span]),
                Spans::Many(list) => list.push(span),
            }
        }
        Ok(spans)
    }
}

/// A string, or a list of strings.
struct OneOrMany<'r, 'j, 'u>(&'r mut Reader<'j, 'u>);

impl<'j> DeserializeSeed<'j> for OneOrMany<'_, 'j, '_> {
    type Value = Spans;

    fn deserialize<D: Deserializer<'j>>(self, deserializer: D) -> Result<Spans, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'j> Visitor<'j> for OneOrMany<'_, 'j, '_> {
    type Value = Spans;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_borrowed_str<E>(self, value: &'j str) -> Result<Spans, E> {
        Ok(Spans::One(self.0.place(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Spans, E> {
        Ok(Spans::One(push(self.0.unescaped, value)))
    }

    fn visit_seq<A: SeqAccess<'j>>(self, access: A) -> Result<Spans, A::Error> {
        Many(self.0).visit_seq(access)
    }
}
