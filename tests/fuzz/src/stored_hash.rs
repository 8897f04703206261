//! Any text as a stored hash: no panic, nothing is read that is not ASCII or too long,
//! and none costs more than is allowed or opens with a password that nobody chose.
//!
//! Runs as [`verify`](verify.rs) does, with `--bin stored_hash`. The first byte says
//! what the rest is: a whole text, or changes to a good hash, a place and a byte each.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_rampart::password::{Password, PasswordHasher, Verified};

static HASHER: LazyLock<PasswordHasher> =
    LazyLock::new(|| PasswordHasher::builder().build().expect("valid"));

static CHEAP: LazyLock<PasswordHasher> = LazyLock::new(|| {
    let builder = PasswordHasher::builder().cost(10).max_verify_cost(10);
    builder.build().expect("valid")
});

/// One of each form that is read.
const GOOD: &[&str] = &[
    "$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm",
    "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
    "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$sdU2s51xApBVBMVw4RZiJY.7FC1fevu",
    "$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea",
    "$bcrypt-hmac-sha384$v=1,k=p1,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$a26lS05Ydq9tdJDEZ/FL5XiUF8UHs.y",
    "bcrypt_sha256$$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm",
    "{bcrypt}$2a$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm",
    "$argon2id$v=19$m=256,t=2,p=1,keyid=cDE$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
];

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let text = match GOOD.get(usize::from(*kind)) {
        None => String::from_utf8_lossy(rest).into_owned(),
        Some(good) => {
            let mut bytes = good.as_bytes().to_vec();
            for change in rest.chunks_exact(2) {
                let at = usize::from(change[0]) % bytes.len();
                bytes[at] = change[1];
            }
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    // One that costs something is a candidate only once in a while: it takes milliseconds.
    if data.len() % 64 == 7 {
        let outcome = CHEAP.verify(
            &Password::new("nobody chose this").expect("short"),
            Some(&text),
        );
        assert!(matches!(outcome, Verified::Mismatch { .. }), "{text:?}");
    }
    let why = HASHER.needs_rehash(&text);
    // What is not written here is to be replaced, if it can be read at all.
    let ours = text.starts_with("$bcrypt-sha256$v=2,t=2b,r=12$") || text.starts_with("$argon2id$");
    let read = !why.is_empty();
    assert!(!read || text.is_ascii() && text.len() <= 256, "{text:?}");
    assert!(!(ours && read) || text.len() > 60, "{text:?}");
});
