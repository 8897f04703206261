//! File names that every system reads alike.

/// The longest name, in bytes; longer ones fit no common file system.
const MAX_BYTES: usize = 255;

/// Finds what is wrong with a name. The name is never stored as a path; the
/// rules keep it from meaning anything to whoever sees it later.
pub(super) fn fault(name: &str) -> Option<&'static str> {
    if name.len() > MAX_BYTES {
        return Some("the file name is longer than 255 bytes");
    }
    if name.contains(['/', '\\']) {
        return Some("the file name has a path");
    }
    let lower = name.to_ascii_lowercase();
    let escaped = ["%00", "%0a", "%0d", "%2e", "%2f", "%5c"];
    if name.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Some("the file name has an invisible character");
    }
    if escaped.iter().any(|escaped| lower.contains(escaped)) || has_entity(name) {
        return Some("the file name has an escape that some would decode");
    }
    if name.contains(['<', '>', ':', '|', '?', '*']) || name.contains(becomes_a_slash) {
        return Some("the file name has a character with a meaning to some systems");
    }
    if name.starts_with(['.', '-', ' ', '~']) || name.ends_with(['.', ' ', '~']) {
        return Some("the file name begins or ends with a character that hides or changes it");
    }
    if name
        .rsplit('.')
        .next()
        .is_some_and(|ending| ending.contains(becomes_a_dot))
    {
        return Some("the file name ends with a character that some read as a dot");
    }
    let mut segments = name.split('.');
    let stem = segments.next().unwrap_or_default();
    if is_device(stem) {
        return Some("the file name is a device on some systems");
    }
    let endings: Vec<_> = segments.map(str::to_ascii_lowercase).collect();
    if endings.len() > 1 && endings.iter().any(|ending| is_runnable(ending)) {
        return Some("the file name has an ending that some servers would run");
    }
    None
}

/// Returns the extension, or `None` if the name has no dot.
pub(super) fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').map(|(_, extension)| extension)
}

/// Characters that change how a name looks without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Characters that become a slash or a backslash where names are brought into
/// another form (NFKC, or a legacy code page).
fn becomes_a_slash(c: char) -> bool {
    matches!(
        c,
        '\u{2044}'
            | '\u{2215}'
            | '\u{2216}'
            | '\u{29f5}'
            | '\u{29f8}'
            | '\u{29f9}'
            | '\u{fe68}'
            | '\u{ff0f}'
            | '\u{ff3c}'
    )
}

/// The same for a dot or a colon. Titles have them, so only an ending must not:
/// it would be another one.
fn becomes_a_dot(c: char) -> bool {
    matches!(
        c,
        '\u{2024}'..='\u{2026}' | '\u{a789}' | '\u{fe52}' | '\u{fe55}' | '\u{ff0e}' | '\u{ff1a}'
    )
}

/// Whether there is a character reference of HTML, which some would decode.
fn has_entity(name: &str) -> bool {
    name.split('&').skip(1).any(|rest| {
        let entity = rest.split_once(';').map(|(entity, _)| entity);
        entity.is_some_and(|entity| {
            let named = entity.strip_prefix('#').unwrap_or(entity);
            !named.is_empty() && named.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    })
}

fn is_device(stem: &str) -> bool {
    let stem = stem.trim_end().to_ascii_lowercase();
    let numbered = |prefix| {
        stem.strip_prefix(prefix).is_some_and(|rest| {
            matches!(rest.chars().next(), Some('0'..='9' | '¹' | '²' | '³'))
                && rest.chars().count() == 1
        })
    };
    ["con", "prn", "aux", "nul", "conin$", "conout$"].contains(&stem.as_str())
        || numbered("com")
        || numbered("lpt")
}

fn is_runnable(ending: &str) -> bool {
    let digits = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    RUNNABLE.contains(&ending) || ending.strip_prefix("php").is_some_and(digits)
}

/// Endings of programs and of pages with programs, to one server or another.
const RUNNABLE: &[&str] = &[
    "asa", "ashx", "asmx", "asp", "aspx", "bat", "cer", "cfm", "cgi", "cmd", "com", "dll", "exe",
    "fcgi", "hta", "htm", "html", "inc", "jar", "js", "jsp", "jspx", "mjs", "phar", "phps", "pht",
    "phtml", "pl", "ps1", "py", "rb", "scr", "sh", "shtm", "shtml", "svg", "svgz", "vbs", "war",
    "wsf", "xht", "xhtml", "xml",
];
