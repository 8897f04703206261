//! `Content-Disposition` of a part (RFC 7578 §4.2), as far as all parsers read
//! it alike.

/// What a part is called.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Disposition<'a> {
    pub(super) name: &'a str,
    pub(super) filename: Option<&'a str>,
}

/// Reads the value strictly: `form-data`, then `name` once, `filename` at most
/// once and after it, both quoted; `filename*` only after a `filename`
/// with the same extension.
pub(super) fn parse(value: &str) -> Result<Disposition<'_>, &'static str> {
    let (kind, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
    if !trim(kind).eq_ignore_ascii_case("form-data") {
        return Err("a part is not form-data");
    }
    let (mut name, mut filename, mut extended) = (None, None, None);
    while !rest.is_empty() {
        let parameter = rest
            .strip_prefix(';')
            .map(trim)
            .ok_or("a part's disposition has text after a value")?;
        let (key, after) = parameter
            .split_once('=')
            .ok_or("a part's disposition has a parameter without value")?;
        if key == "filename*" {
            let (encoded, after) = after.split_at(after.find(';').unwrap_or(after.len()));
            if filename.is_none() || extended.replace(trim(encoded)).is_some() {
                return Err(
                    "a part's disposition has an extended file name without a plain one before it",
                );
            }
            rest = after;
            continue;
        }
        let quoted = after
            .strip_prefix('"')
            .and_then(|inner| inner.split_once('"'));
        let (text, after) = quoted.ok_or("a part's disposition has a value without quotes")?;
        // A backslash escapes the next character for some parsers; a path from an
        // old browser is a bad name, an escaped quote is no name at all.
        if text.ends_with('\\') || (key == "name" && text.contains('\\')) || is_decoy(text) {
            return Err("a part's disposition has a value that parsers read differently");
        }
        let slot = match key {
            "name" => &mut name,
            // Some parsers look for the name inside a file name before it.
            "filename" if name.is_none() => {
                return Err("a part's disposition has the file name before the name");
            }
            "filename" => &mut filename,
            _ => return Err("a part's disposition has an unknown parameter"),
        };
        if slot.replace(text).is_some() {
            return Err("a part's disposition repeats a parameter");
        }
        rest = trim(after);
    }
    let name = name.ok_or("a part has no name")?;
    if name.is_empty() {
        return Err("a part's name is empty");
    }
    if extended.is_some_and(|extended| !agrees(extended, filename.unwrap_or_default())) {
        return Err("a part's two file names do not agree");
    }
    Ok(Disposition { name, filename })
}

/// A parameter hidden inside another's value, which some parsers find first.
fn is_decoy(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["name", "filename", "filename*"].iter().any(|key| {
        lower.match_indices(key).any(|(index, _)| {
            let before = lower[..index].ends_with([';', ' ', '\t']);
            before
                && lower[index + key.len()..]
                    .trim_start_matches([' ', '\t'])
                    .starts_with('=')
        })
    })
}

/// Whether `UTF-8''percent-encoded` is the plain name: some parsers believe the
/// one, some the other.
fn agrees(extended: &str, plain: &str) -> bool {
    let Some((charset, encoded)) = extended.split_once("''") else {
        return false;
    };
    !plain.is_empty()
        && charset.eq_ignore_ascii_case("utf-8")
        && percent_decoded(encoded).is_some_and(|name| name == plain)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            bytes.push(byte);
        } else {
            return None;
        }
    }
    String::from_utf8(bytes).ok()
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
