//! What each probe is about.

use crate::check::Level;

/// What a probe is about, without what it found.
pub(super) type About = (
    &'static str,
    Level,
    &'static str,
    &'static str,
    &'static str,
);

pub(super) const HTTPS: About = (
    "RP101",
    Level::Error,
    "12.2.1",
    "Passwords and tokens cross the network in the clear.",
    "serve it behind TLS",
);
pub(super) const HEADERS: About = (
    "RP102",
    Level::Error,
    "3.4.3",
    "Browsers protect visitors only if they are told to.",
    "let the answers of the server through as they are",
);
pub(super) const HSTS: About = (
    "RP103",
    Level::Error,
    "3.4.1",
    "The first visit can be turned into one without TLS.",
    "let Strict-Transport-Security through, for a year at least",
);
pub(super) const CORS: About = (
    "RP104",
    Level::Error,
    "3.4.2",
    "A page of somebody else's acts for its visitors.",
    "list your own origins only, and let no proxy add Access-Control fields",
);
pub(super) const TRACE: About = (
    "RP105",
    Level::Error,
    "13.4.4",
    "It shows what proxies add to requests.",
    "refuse TRACE",
);
pub(super) const HIDDEN: About = (
    "RP106",
    Level::Error,
    "13.4.5",
    "It is for operators, or for nobody.",
    "serve it on the loopback listener only",
);
pub(super) const COOKIES: About = (
    "RP107",
    Level::Error,
    "3.3.1",
    "Scripts or other hosts can read or set them.",
    "let Set-Cookie through as it is",
);
pub(super) const SPOOFED: About = (
    "RP108",
    Level::Error,
    "4.1.3",
    "Whoever writes such a header has a limit of their own.",
    "name your proxies only in TRUSTED_PROXIES, and let them overwrite the header",
);
pub(super) const LEAKS: About = (
    "RP109",
    Level::Error,
    "16.5.1",
    "It tells strangers how the server works inside.",
    "let problem documents through as they are",
);
pub(super) const CROSS_SITE: About = (
    "RP110",
    Level::Error,
    "3.5.1",
    "A page of somebody else's can act for its visitors.",
    "let Origin and Sec-Fetch-Site through to the server",
);
pub(super) const CLOCK: About = (
    "RP111",
    Level::Warning,
    "9.2.1",
    "Tokens begin and end at other times than they should.",
    "keep the time of the machine (NTP)",
);
pub(super) const CONTACT: About = (
    "RP112",
    Level::Warning,
    "15.1.1",
    "Whoever finds a hole has nobody to tell.",
    "let /.well-known/security.txt through",
);
pub(super) const TOKENS: About = (
    "RP113",
    Level::Error,
    "9.1.1",
    "Anybody can be anybody.",
    "let Authorization through, and run this server behind it",
);
pub(super) const NAMES: About = (
    "RP114",
    Level::Warning,
    "13.4.6",
    "It tells strangers which holes to try.",
    "take the field away in the proxy",
);
pub(super) const OVERRIDE: About = (
    "RP115",
    Level::Error,
    "4.1.4",
    "What only reads for a proxy changes something behind it.",
    "pass no method override on",
);

/// How many there are.
pub(super) const COUNT: usize = 15;
