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

#[cfg(test)]
mod tests {
    use super::possible_delimiter;

    #[test]
    fn only_what_the_next_chunk_may_complete_is_held_back() {
        for (input, held) in [
            (&b"pixels"[..], 0),
            (b"", 0),
            (b"pixels\r", 1),
            (b"pixels\n", 1),
            (b"pixels\r\n", 2),
            (b"pixels\r\n-", 3),
            (b"pixels\r\n--", 4),
            (b"pixels\n--", 3),
            (b"--", 2),
            (b"pixels\r\n-x", 0),
            (b"\r\n--x", 0),
            // It is there whole: nothing has to be waited for.
            (b"\n--B", 0),
            (b"--B", 0),
        ] {
            let text = String::from_utf8_lossy(input);
            assert_eq!(possible_delimiter(input, b"--B"), held, "{text:?}");
        }
    }
}
