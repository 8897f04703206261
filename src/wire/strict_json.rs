//! JSON objects in which every member name occurs once (RFC 7515 §4, RFC 7519 §4).
//!
//! Two parsers that pick different members of a repeated name read two
//! different tokens; refusing repetition removes the choice.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads one JSON object, nested values included, and nothing after it.
pub(crate) fn object(text: &str) -> Option<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = StrictValue.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// Hands the members of one JSON object to a visitor, and refuses anything
/// after it. Nothing is allocated here.
pub(crate) fn members<'a, V: Visitor<'a>>(text: &'a str, visitor: V) -> Option<V::Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = deserializer.deserialize_map(visitor).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

/// The names seen in one object.
#[derive(Default)]
pub(crate) struct Names<'a> {
    few: [Option<Cow<'a, str>>; FEW],
    used: usize,
    /// A comparison with each would be quadratic.
    many: Option<HashSet<Cow<'a, str>>>,
}

/// Up to this many names are compared one by one, without an allocation.
const FEW: usize = 16;

impl<'a> Names<'a> {
    /// Notes a name; a repeated one is an error.
    pub(crate) fn once<E: de::Error>(&mut self, name: Cow<'a, str>) -> Result<(), E> {
        let seen = &self.few[..self.used];
        if seen.iter().flatten().any(|seen| *seen == name) {
            return Err(repeated());
        }
        if let Some(free) = self.few.get_mut(self.used) {
            *free = Some(name);
            self.used += 1;
        } else if !self.many.get_or_insert_default().insert(name) {
            return Err(repeated());
        }
        Ok(())
    }
}

/// The names seen in one object, of those that have a number.
#[derive(Default)]
pub(crate) struct Numbers(u32);

impl Numbers {
    /// Passes a value on; a repeated number is an error.
    pub(crate) fn once<T, E: de::Error>(&mut self, number: u32, value: T) -> Result<T, E> {
        let bit = 1 << number;
        if self.0 & bit != 0 {
            return Err(repeated());
        }
        self.0 |= bit;
        Ok(value)
    }
}

fn repeated<E: de::Error>() -> E {
    E::custom("repeated member name")
}

/// A string, borrowed unless it holds escapes.
pub(crate) struct Text;

impl<'a> DeserializeSeed<'a> for Text {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Text {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

/// Any value, checked for repeated names and forgotten. Only whole numbers that
/// are not negative are told.
pub(crate) struct Skip;

impl<'a> DeserializeSeed<'a> for Skip {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Option<u64>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Skip {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated member names")
    }

    fn visit_unit<E>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<u64>, E> {
        Ok(Some(value))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut access: A) -> Result<Option<u64>, A::Error> {
        while access.next_element_seed(Self)?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut access: A) -> Result<Option<u64>, A::Error> {
        let mut names = Names::default();
        while let Some(name) = access.next_key_seed(Text)? {
            names.once(name)?;
            access.next_value_seed(Self)?;
        }
        Ok(None)
    }
}

struct StrictValue;

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without repeated member names")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(Self)?;
            if members.insert(name, value).is_some() {
                return Err(repeated());
            }
        }
        Ok(Value::Object(members))
    }
}
