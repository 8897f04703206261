//! The parser and the schemes against published hashes.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;

use super::hasher::{PasswordHasher, digest};
use super::scheme::{self, Password};
use super::stored::{Form, Hash, Parsed, Stored, parse};
use super::{HashError, MismatchReason, PreHash, Verified};

thread_local! {
    /// The rounds of bcrypt that this thread computed.
    pub(super) static WORK: Cell<u64> = const { Cell::new(0) };
}

/// Verifies without policy, whatever the cost.
fn matches(password: &[u8], stored: &str) -> bool {
    let Parsed::Hash(Hash::Bcrypt(hash)) = parse(stored) else {
        return false;
    };
    digest(hash.form, None, hash.cost, hash.salt, password) == hash.digest
}

fn from_hex(digits: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a digit");
    let pairs = digits.as_bytes().chunks_exact(2);
    let bytes = pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1]));
    bytes
        .map(|byte| u8::try_from(byte).expect("two digits"))
        .collect()
}

/// Passwords, hashes, and whether they belong together. Two do not: they are what
/// crypt_blowfish alone computes for bytes that no UTF-8 text has.
fn vectors() -> impl Iterator<Item = (Vec<u8>, &'static str, bool)> {
    let lines = include_str!("vectors.tsv").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let mut columns = line.split('\t');
        let mut next = || columns.next().expect("three columns");
        (
            from_hex(next().trim_start_matches('-')),
            next(),
            next() == "yes",
        )
    })
}

const OLD: &str = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";

#[test]
fn published_hashes_verify_and_their_neighbours_do_not() {
    let mut seen = 0;
    for (password, stored, expected) in vectors() {
        seen += 1;
        assert_eq!(
            matches(&password, stored),
            expected,
            "{stored} {password:x?}"
        );
        let mut other = password.clone();
        // Bcrypt reads no further, and a NUL more is none.
        other.truncate(71);
        other.push(b'#');
        assert!(!matches(&other, stored), "{stored}");
        let Parsed::Hash(Hash::Bcrypt(hash)) = parse(stored) else {
            panic!("{stored} is readable")
        };
        assert_eq!(hash.foreign, hash.to_text() != stored, "{stored}");
    }
    assert!(seen >= 75, "{seen}");
}

#[test]
fn hashes_of_other_systems_are_replaced_at_the_next_sign_in() {
    let hasher = hasher(PreHash::SaltHmac);
    let mut replaced = 0;
    for (bytes, stored, _) in vectors() {
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        if text.is_empty() || text.contains('\0') || !matches(text.as_bytes(), stored) {
            continue;
        }
        let Verified::Match {
            rehash: Some(rehash),
        } = hasher.verify(&password(&text), Some(stored))
        else {
            panic!("{stored} is cheap, and to be replaced");
        };
        assert_eq!(rehash.old, stored);
        assert!(
            rehash.new.starts_with("$bcrypt-sha256$v=2,t=2b,r=10$"),
            "{}",
            rehash.new
        );
        replaced += 1;
    }
    assert!(replaced > 30, "{replaced}");
    // Of the same cost and without spare bits, and yet not as it is written today.
    let stored = hasher.hash(&password("a")).expect("hashed");
    for (old, new) in [("v=2,t=2b,r=", "v=3,t=2b,r="), ("t=2b", "t=2a")] {
        let stored = stored.replace(old, new);
        assert_eq!(parse(&stored), Parsed::Unreadable, "{stored}");
    }
}

#[test]
fn hostile_stored_hashes_are_unreadable() {
    let good = "$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm";
    let tail = &good[7..];
    let split = format!("$2b$04${}£{}", "a".repeat(21), "a".repeat(30));
    for hostile in [
        "",
        "*0",
        "$2b$",
        "plain text",
        &good[..59],
        &format!("{good}a"),
        &format!(" {good}"),
        &split,
        &format!("$2a$03${tail}"),
        &format!("$2a$32${tail}"),
        &format!("$2a$5${tail}"),
        &format!("$2a$+5${tail}"),
        &format!("$2c$05${tail}"),
        &format!("$2$05${tail}"),
        &format!("bcrypt$bcrypt${good}"),
        &format!("{{bcrypt}}{{bcrypt}}{good}"),
        &format!("bcrypt_sha256${}", good.replace("$2b$", "$2x$")),
        "$bcrypt-sha256$2y,4$n79VH.0Q2TMWmt3Oqt9uku$218k5nCh3D4YqdpX.Zv79C4bjOSjWea",
        &"$2b$04$".repeat(100),
        "$bcrypt-sha256$v=2,t=2b,r=04$n79VH.0Q2TMWmt3Oqt9uku$sdU2s51xApBVBMVw4RZiJY.7FC1fevu",
        "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$",
    ] {
        assert_eq!(parse(hostile), Parsed::Unreadable, "{hostile}");
    }
    assert_eq!(parse("!locked"), Parsed::Locked);
}

pub(super) fn password(text: &str) -> Password {
    Password::new(text).expect("short enough")
}

pub(super) fn hasher(prehash: PreHash) -> PasswordHasher {
    PasswordHasher::builder()
        .cost(10)
        .prehash(prehash)
        .build()
        .expect("valid settings")
}

#[test]
fn passwords_that_differ_after_72_bytes_are_different() {
    let pepper = || Arc::new(crate::secret::Secret::random(32));
    let peppered = PasswordHasher::builder().cost(10).pepper("p1", pepper());
    let peppered = peppered.prehash(PreHash::Pepper).build().expect("valid");
    for hasher in [hasher(PreHash::SaltHmac), hasher(PreHash::Auto), peppered] {
        for length in [72, 73, 200, 1_000] {
            let same = "x".repeat(length);
            let (first, second) = (format!("{same}a"), format!("{same}b"));
            let stored = hasher.hash(&password(&first)).expect("hashed");
            assert_eq!(
                hasher.verify(&password(&first), Some(&stored)),
                Verified::Match { rehash: None }
            );
            let reason = MismatchReason::WrongPassword;
            for other in [&second, &same, &same[..72]] {
                assert_eq!(
                    hasher.verify(&password(other), Some(&stored)),
                    Verified::Mismatch { reason }
                );
            }
        }
    }
}

#[test]
fn plain_bcrypt_sets_72_bytes_and_refuses_73_and_nul() {
    let hasher = hasher(PreHash::None);
    assert!(hasher.hash(&password(&"x".repeat(72))).is_ok());
    assert_eq!(
        hasher.hash(&password(&"x".repeat(73))),
        Err(HashError::TooLongForPlain)
    );
    assert_eq!(hasher.hash(&password("a\0a")), Err(HashError::Nul));
}

#[test]
fn a_key_that_bcrypt_would_cycle_does_not_match() {
    let hasher = hasher(PreHash::None);
    let stored = hasher.hash(&password("a")).expect("hashed");
    assert!(
        matches(b"a\0a", &stored),
        "bcrypt itself cannot tell them apart"
    );
    assert!(matches!(
        hasher.verify(&password("a\0a"), Some(&stored)),
        Verified::Mismatch { .. }
    ));
}

#[test]
fn an_old_form_is_upgraded_and_a_costlier_one_is_not_downgraded() {
    let hasher = hasher(PreHash::SaltHmac);
    let old = OLD;
    let Verified::Match {
        rehash: Some(rehash),
    } = hasher.verify(&password("a"), Some(old))
    else {
        panic!("cost 6 and the old name are outdated");
    };
    assert_eq!(rehash.old, old);
    assert_eq!(
        hasher.verify(&password("a"), Some(&rehash.new)),
        Verified::Match { rehash: None }
    );

    let costlier = PasswordHasher::builder()
        .cost(11)
        .prehash(PreHash::None)
        .build()
        .expect("valid");
    let stored = costlier.hash(&password("a")).expect("hashed");
    let Verified::Match {
        rehash: Some(rehash),
    } = hasher.verify(&password("a"), Some(&stored))
    else {
        panic!("it is not condensed");
    };
    assert!(
        rehash.new.starts_with("$bcrypt-sha256$v=2,t=2b,r=11$"),
        "{}",
        rehash.new
    );
    assert_eq!(
        hasher.verify(&password("a"), Some(&rehash.new)),
        Verified::Match { rehash: None }
    );
}

#[test]
fn a_stored_cost_above_the_cap_is_not_run() {
    let stored = "$2b$31$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm";
    let reason = MismatchReason::CostRefused;
    assert_eq!(
        hasher(PreHash::None).verify(&password("a"), Some(stored)),
        Verified::Mismatch { reason }
    );
}

#[test]
fn bcrypt_is_tried_before_it_is_relied_on() {
    assert!(scheme::computes_what_it_must());
}

#[test]
fn letters_with_accents_are_one_password_however_they_are_typed() {
    let (composed, decomposed) = ("p\u{e4}ssword", "pa\u{308}ssword");
    let hasher = hasher(PreHash::Auto);
    for first in [composed, decomposed] {
        let stored = hasher.hash(&password(first)).expect("hashed");
        for second in [composed, decomposed] {
            let verified = hasher.verify(&password(second), Some(&stored));
            assert_eq!(verified, Verified::Match { rehash: None });
        }
        let verified = hasher.verify(&password("password"), Some(&stored));
        assert!(matches!(verified, Verified::Mismatch { .. }));
    }
    // Over 72 bytes as it was typed, and not as it is kept.
    let plain = super::tests::hasher(PreHash::None);
    let typed = password(&"a\u{308}".repeat(30));
    let stored = plain.hash(&typed).expect("60 bytes");
    let verified = plain.verify(&typed, Some(&stored));
    assert_eq!(verified, Verified::Match { rehash: None });
    // A hash from elsewhere, of the spelling that is not ours, and costlier.
    let key = digest(Form::Plain, None, 11, [7; 16], decomposed.as_bytes());
    let foreign = Stored {
        form: Form::Plain,
        cost: 11,
        salt: [7; 16],
        digest: key,
        foreign: false,
    };
    let verified = hasher.verify(&password(decomposed), Some(&foreign.to_text()));
    let Verified::Match {
        rehash: Some(rehash),
    } = verified
    else {
        panic!("it is the password as it was typed");
    };
    assert!(rehash.new.contains(",r=11$"), "{}", rehash.new);
    let verified = hasher.verify(&password(composed), Some(&rehash.new));
    assert_eq!(verified, Verified::Match { rehash: None });
}

/// Somebody who has the unsalted digests of another place must not get in with
/// them, nor with passwords whose digests they are.
#[test]
fn digests_from_elsewhere_are_no_passwords() {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let bytes = Sha256::digest(b"violet kettle parade");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
    let hasher = hasher(PreHash::Auto);
    for shucked in [&hex, &base64] {
        let of_digest = hasher.hash(&password(shucked)).expect("hashed");
        let of_password = hasher
            .hash(&password("violet kettle parade"))
            .expect("hashed");
        for (text, stored) in [
            ("violet kettle parade", &of_digest),
            (shucked, &of_password),
        ] {
            let verified = hasher.verify(&password(text), Some(stored));
            assert!(matches!(verified, Verified::Mismatch { .. }), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn no_stored_text_makes_the_parser_panic(text in "\\PC{0,90}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_readable_hash_has_one_spelling(text in "\\$2b\\$(0[4-9]|[12][0-9]|3[01])\\$[./A-Za-z0-9]{53}") {
        if let Parsed::Hash(Hash::Bcrypt(hash)) = parse(&text) {
            prop_assert_eq!(hash.foreign, hash.to_text() != text);
        }
    }
}
