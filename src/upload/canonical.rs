//! The headers of a part as they are written anew.

use super::part::Part;

/// Writes what was understood of a part's headers, and nothing else.
///
/// Names and file names that were accepted have no quotes, backslashes or
/// control characters, so there is one way to read them.
pub(super) fn write(part: &Part, name: &str, out: &mut Vec<u8>) {
    let mut text = format!("Content-Disposition: form-data; name=\"{name}\"");
    if let Some(filename) = &part.filename {
        let declared = part
            .declared
            .as_deref()
            .unwrap_or("application/octet-stream");
        text += &format!("; filename=\"{filename}\"\r\nContent-Type: {declared}");
    }
    text += "\r\n\r\n";
    out.extend_from_slice(text.as_bytes());
}
