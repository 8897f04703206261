//! The kinds of files that can be told by their first bytes.

/// How many bytes [`Kind::sniff`] needs at most.
pub(super) const SNIFF_BYTES: usize = 12;

/// A kind of file.
///
/// SVG and HTML are not among them: both run scripts where they are shown.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// GIF, 87a and 89a.
    Gif,
    /// JPEG.
    Jpeg,
    /// PDF, with its mark at the very start.
    Pdf,
    /// PNG.
    Png,
    /// WebP.
    WebP,
}

impl Kind {
    /// Tells a file's kind by its first 12 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_rampart::upload::Kind;
    ///
    /// assert_eq!(Kind::sniff(b"GIF89a\x01\x00\x01\x00\x80\x00"), Some(Kind::Gif));
    /// assert_eq!(Kind::sniff(b"<svg xmlns="), None);
    /// ```
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        match start {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::WebP),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            _ => None,
        }
    }

    /// Returns the registered media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Gif => "image/gif",
            Self::Jpeg => "image/jpeg",
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }

    /// Tells whether a declared media type, in lower case, means this kind.
    pub(super) fn is_declared_as(self, essence: &str) -> bool {
        let alias = match self {
            Self::Jpeg => &["image/jpg", "image/pjpeg"][..],
            Self::Png => &["image/x-png"],
            _ => &[],
        };
        essence == self.media_type() || alias.contains(&essence)
    }

    /// Tells whether files of this kind carry an extension, in any case.
    pub(super) fn has_extension(self, extension: &str) -> bool {
        let known = mime_guess::get_mime_extensions_str(self.media_type()).unwrap_or_default();
        known
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    }
}
