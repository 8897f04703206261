//! The headers of one part, and what they promise.

use super::content_disposition;
use super::filename;
use super::kind::Kind;
use super::rules::{Field, FieldRule, FileRule};
use super::violation::Violation;
use crate::wire::media_type::{MediaType, is_token};

/// The most headers a part may have.
const MAX_HEADERS: usize = 8;

/// An accepted part, whose content is still to come.
#[derive(Debug)]
pub(super) struct Part {
    /// Position in the form, from 0.
    pub(super) index: u32,
    /// Position of the field's rule.
    pub(super) field: usize,
    pub(super) declared: Option<String>,
    /// Whether a text says that it is ASCII, and some would read it as that.
    pub(super) ascii: bool,
    /// How long it says it is.
    pub(super) length: Option<u64>,
    pub(super) filename: Option<String>,
}

impl Part {
    /// Reads a header block, without the empty line that ends it.
    pub(super) fn parse(index: u32, block: &[u8], fields: &[Field]) -> Result<Self, Violation> {
        let malformed = |reason| Violation::Malformed { reason };
        let block =
            std::str::from_utf8(block).map_err(|_| malformed("a part's headers are not UTF-8"))?;
        let (mut disposition, mut declared, mut length) = (None, None, None);
        for (count, line) in block.split("\r\n").enumerate() {
            if count == MAX_HEADERS {
                return Err(Violation::PartHeaders {
                    part: index,
                    limit: MAX_HEADERS as u64,
                });
            }
            let (name, value) = line
                .split_once(':')
                .ok_or(malformed("a part has a header without colon"))?;
            let value = value.trim_matches([' ', '\t']);
            if !is_token(name) || value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(malformed("a part has a header with an illegal character"));
            }
            let repeated = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => disposition.replace(value).is_some(),
                "content-type" => declared.replace(value).is_some(),
                "content-transfer-encoding" => {
                    let identity = ["7bit", "8bit", "binary"]
                        .iter()
                        .any(|known| value.eq_ignore_ascii_case(known));
                    if !identity {
                        return Err(Violation::PartType {
                            part: index,
                            reason: "a part is encoded for transfer",
                        });
                    }
                    false
                }
                // Some clients say so, and some parsers believe it.
                "content-length" => {
                    let digits =
                        !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                    let told = value.parse().ok().filter(|_| digits);
                    let told = told.ok_or(malformed("a part's length is no number"))?;
                    length.replace(told).is_some()
                }
                "content-encoding" => {
                    return Err(Violation::PartType {
                        part: index,
                        reason: "a part has a content encoding",
                    });
                }
                _ => false,
            };
            if repeated {
                return Err(malformed("a part repeats a header"));
            }
        }
        let disposition = disposition.ok_or(malformed("a part has no content disposition"))?;
        let disposition = content_disposition::parse(disposition).map_err(malformed)?;
        let known = fields
            .iter()
            .position(|field| field.name == disposition.name);
        let field = known.ok_or(Violation::UnknownField { part: index })?;
        let is_file = matches!(fields[field].rule, FieldRule::File(_));
        if is_file != disposition.filename.is_some() {
            return Err(Violation::WrongFieldKind {
                part: index,
                field: fields[field].name.clone(),
            });
        }
        let Declared { declared, ascii } = declared_type(index, declared, is_file)?;
        let filename = disposition.filename.map(str::to_owned);
        if let Some(reason) = filename.as_deref().and_then(filename::fault) {
            return Err(Violation::Filename {
                part: index,
                reason,
            });
        }
        Ok(Self {
            index,
            field,
            declared,
            ascii,
            length,
            filename,
        })
    }

    /// Tells whether a browser sent the part for a file that was not chosen.
    pub(super) fn is_unchosen_file(&self) -> bool {
        self.filename.as_deref() == Some("")
    }

    /// Judges a file by its first bytes, against what the headers say.
    pub(super) fn judge(&self, rule: &FileRule, start: &[u8]) -> Result<Kind, Violation> {
        let name = self.filename.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(Violation::Filename {
                part: self.index,
                reason: "the file has no name",
            });
        }
        let extension = filename::extension(name);
        judge(rule, start, self.declared.as_deref(), extension).map_err(|reason| {
            Violation::PartType {
                part: self.index,
                reason,
            }
        })
    }
}

/// Tells the kind of a file: one that the rule accepts, that the first bytes
/// are of, and that nothing else speaks against.
pub(super) fn judge(
    rule: &FileRule,
    start: &[u8],
    declared: Option<&str>,
    extension: Option<&str>,
) -> Result<Kind, &'static str> {
    let mut kinds: Vec<_> = match Kind::sniff(start) {
        Some(kind) => rule
            .kinds
            .iter()
            .filter(|accepted| **accepted == kind)
            .collect(),
        // Texts have no mark; what comes later has to be one as well.
        None => rule
            .kinds
            .iter()
            .filter(|accepted| accepted.is_text())
            .collect(),
    };
    if kinds.is_empty() {
        return Err("the content is no accepted kind of file");
    }
    kinds.retain(|kind| declared.is_none_or(|declared| kind.is_declared_as(declared)));
    if kinds.is_empty() {
        return Err("the declared type and the content do not agree");
    }
    kinds.retain(|kind| extension.is_none_or(|extension| kind.has_extension(extension)));
    match kinds[..] {
        [] => Err("the extension and the content do not agree"),
        [kind, ..] => Ok(*kind),
    }
}

/// What a part says it is.
#[derive(Default)]
struct Declared {
    /// `None` leaves it to the content.
    declared: Option<String>,
    ascii: bool,
}

fn declared_type(index: u32, declared: Option<&str>, is_file: bool) -> Result<Declared, Violation> {
    let Some(text) = declared else {
        return Ok(Declared::default());
    };
    let unsupported = |reason| Violation::PartType {
        part: index,
        reason,
    };
    let media_type = MediaType::parse(text).ok_or(Violation::Malformed {
        reason: "a part's type is no media type",
    })?;
    if is_file {
        if !is_utf8(&media_type) {
            return Err(unsupported("a part is in another encoding than UTF-8"));
        }
        let unknown = media_type.essence == "application/octet-stream";
        return Ok(Declared {
            declared: (!unknown).then_some(media_type.essence),
            ascii: false,
        });
    }
    let ascii = |(name, value): &(String, String)| {
        name == "charset" && value.eq_ignore_ascii_case("us-ascii")
    };
    let ascii = media_type.parameters.iter().all(ascii) && !media_type.parameters.is_empty();
    let only_charset = media_type
        .parameters
        .iter()
        .all(|(name, _)| name == "charset");
    if media_type.essence != "text/plain" || !only_charset || !(ascii || is_utf8(&media_type)) {
        return Err(unsupported("a text field is not plain UTF-8 text"));
    }
    Ok(Declared {
        declared: None,
        ascii,
    })
}

/// Whether a type names no other encoding than UTF-8.
pub(super) fn is_utf8(media_type: &MediaType) -> bool {
    let parameters = media_type.parameters.iter();
    parameters
        .filter(|(name, _)| name == "charset")
        .all(|(_, value)| value.eq_ignore_ascii_case("utf-8"))
}
