//! Delimiters that are cut in two.

/// Returns how many bytes at the end may belong to a delimiter that the next
/// chunk completes: a proper prefix of the needle with the line end before it.
pub(super) fn possible_delimiter(input: &[u8], needle: &[u8]) -> usize {
    let longest = (needle.len() + 1).min(input.len());
    let fits = |tail: &[u8]| {
        let rest = tail
            .strip_prefix(b"\r\n")
            .or_else(|| tail.strip_prefix(b"\r"))
            .or_else(|| tail.strip_prefix(b"\n"));
        let rest = rest.unwrap_or(tail);
        rest.len() < needle.len() && needle.starts_with(rest)
    };
    (1..=longest)
        .rev()
        .find(|length| fits(&input[input.len() - length..]))
        .unwrap_or(0)
}
