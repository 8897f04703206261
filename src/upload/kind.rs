//! The kinds of files that can be told by their first bytes.

/// How many bytes [`Kind::sniff`] needs at most.
pub(super) const SNIFF_BYTES: usize = 12;

/// A kind of file.
///
/// SVG and HTML are not among them: both run scripts where they are shown.
/// Neither are the formats of office programs, which are ZIP archives and look
/// like any other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// BMP.
    Bmp,
    /// CSV: like [`Text`](Self::Text), with another name.
    Csv,
    /// GIF, 87a and 89a.
    Gif,
    /// JPEG.
    Jpeg,
    /// PDF, with its mark at the very start.
    Pdf,
    /// PNG.
    Png,
    /// Plain text: UTF-8 without NUL to its end, and none of the other kinds.
    Text,
    /// WebP.
    WebP,
    /// ZIP. What is in it is not looked at.
    Zip,
}

impl Kind {
    /// Tells a file's kind by its first 12 bytes; text has no mark to tell it by.
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
        let riff = |kind: &[u8]| start.get(..4) == Some(b"RIFF") && start.get(8..12) == Some(kind);
        match start {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            // The second mark is an archive with nothing in it.
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Some(Self::Zip),
            // Two letters are no mark; the reserved zeros after the size are.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(Self::Bmp),
            _ if riff(b"WEBP") => Some(Self::WebP),
            _ => None,
        }
    }

    /// Returns the registered media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Bmp => "image/bmp",
            Self::Csv => "text/csv",
            Self::Gif => "image/gif",
            Self::Jpeg => "image/jpeg",
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Text => "text/plain",
            Self::WebP => "image/webp",
            Self::Zip => "application/zip",
        }
    }

    /// Tells whether files of this kind are UTF-8 to their end.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Text)
    }

    /// Tells whether files of this kind say how many pixels they have.
    pub(super) fn has_pixels(self) -> bool {
        matches!(
            self,
            Self::Bmp | Self::Gif | Self::Jpeg | Self::Png | Self::WebP
        )
    }

    /// Tells whether a declared media type, in lower case, means this kind.
    pub(super) fn is_declared_as(self, essence: &str) -> bool {
        let alias = match self {
            Self::Bmp => &["image/x-bmp", "image/x-ms-bmp"][..],
            // What some systems with a spreadsheet program say.
            Self::Csv => &["application/csv", "application/vnd.ms-excel"],
            Self::Jpeg => &["image/jpg", "image/pjpeg"],
            Self::Png => &["image/x-png"],
            Self::Zip => &["application/x-zip", "application/x-zip-compressed"],
            _ => &[],
        };
        essence == self.media_type() || alias.contains(&essence)
    }

    /// Tells whether files of this kind carry an extension, in any case.
    pub(super) fn has_extension(self, extension: &str) -> bool {
        // Source code and pages are texts too; these are shown or run as such.
        let known = match self {
            Self::Text => &["txt", "text", "log", "md"],
            _ => mime_guess::get_mime_extensions_str(self.media_type()).unwrap_or_default(),
        };
        known
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    }
}
