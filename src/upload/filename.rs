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
    if name.chars().any(|c| c.is_control() || is_invisible(c))
        || name.to_ascii_lowercase().contains("%00")
    {
        return Some("the file name has an invisible character");
    }
    if name.contains(['<', '>', ':', '|', '?', '*']) {
        return Some("the file name has a character with a meaning to some systems");
    }
    if name.starts_with(['.', '-', ' ', '~']) || name.ends_with(['.', ' ', '~']) {
        return Some("the file name begins or ends with a character that hides or changes it");
    }
    let mut segments = name.split('.');
    let stem = segments.next().unwrap_or_default();
    if is_device(stem) {
        return Some("the file name is a device on some systems");
    }
    let endings: Vec<_> = segments.map(str::to_ascii_lowercase).collect();
    if endings.len() > 1 && endings.iter().any(|ending| RUNNABLE.contains(&&**ending)) {
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
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn is_device(stem: &str) -> bool {
    let stem = stem.trim_end().to_ascii_lowercase();
    let numbered = |prefix| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| matches!(rest.as_bytes(), [b'0'..=b'9']))
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

const RUNNABLE: &[&str] = &[
    "asp", "aspx", "bat", "cgi", "cmd", "com", "dll", "exe", "hta", "htm", "html", "jar", "js",
    "jsp", "jspx", "mjs", "phar", "php", "php3", "php4", "php5", "php7", "phtml", "pl", "ps1",
    "py", "rb", "scr", "sh", "shtml", "svg", "vbs", "xhtml", "xml",
];
