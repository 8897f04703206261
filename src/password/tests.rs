//! The parser and the schemes against published hashes.

use proptest::prelude::*;

use super::hasher::{MismatchReason, PasswordHasher, PreHash, Verified};
use super::scheme::{Password, bcrypt, salted_hmac};
use super::stored::{Form, Parsed, parse, salt_text};
use super::{HashError, PasswordPolicy, WeakPassword};

/// Verifies without policy, whatever the cost.
fn matches(password: &str, stored: &str) -> bool {
    let Parsed::Hash(hash) = parse(stored) else {
        return false;
    };
    let digest = match hash.form {
        Form::SaltHmac => bcrypt(
            hash.cost,
            hash.salt,
            salted_hmac(&salt_text(&hash.salt), password.as_bytes()).as_bytes(),
        ),
        Form::Plain | Form::PlainOldName => bcrypt(hash.cost, hash.salt, password.as_bytes()),
    };
    digest == hash.digest
}

/// From the table of Openwall's crypt_blowfish (public domain) and pyca/bcrypt.
const PLAIN: &[(&str, &str)] = &[
    (
        "U*U",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ),
    (
        "U*U*",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
    ),
    (
        "U*U*U",
        "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
    ),
    (
        "",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy",
    ),
    (
        "a",
        "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
    ),
    (
        "abcdefghijklmnopqrstuvwxyz",
        "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.",
    ),
    (
        "Kk4DQuMMfZL9o",
        "$2b$04$cVWp4XaNU8a4v1uMRum2SO026BWLIoQMD/TXg5uZV.0P.uO8m3YEm",
    ),
];

/// Computed with passlib 1.7.4, `bcrypt_sha256` version 2.
const SALT_HMAC: &[(&str, &str)] = &[
    (
        "password",
        "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$sdU2s51xApBVBMVw4RZiJY.7FC1fevu",
    ),
    (
        "",
        "$bcrypt-sha256$v=2,t=2b,r=4$......................$1nWOKMJystIWiXB1676VT1FijHjgjoi",
    ),
];

#[test]
fn published_hashes_verify_and_their_neighbours_do_not() {
    for (password, stored) in PLAIN.iter().chain(SALT_HMAC) {
        assert!(matches(password, stored), "{stored}");
        assert!(!matches(&format!("{password}x"), stored), "{stored}");
        let Parsed::Hash(hash) = parse(stored) else {
            panic!("{stored} is readable")
        };
        assert_eq!(&hash.to_text(), stored);
    }
    let long = "x".repeat(73);
    assert!(matches(
        &long,
        "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$cfRligbSD/Z9eu8eOfDyYd8Qa54l0Ey"
    ));
    assert!(matches(
        &long[..72],
        "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$2SJooP3RRTM5BIugitqPJDASxl1prsW"
    ));
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
        &format!("$2x$05${tail}"),
        &"$2b$04$".repeat(100),
        "$bcrypt-sha256$v=2,t=2b,r=04$n79VH.0Q2TMWmt3Oqt9uku$sdU2s51xApBVBMVw4RZiJY.7FC1fevu",
        "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$",
    ] {
        assert_eq!(parse(hostile), Parsed::Unreadable, "{hostile}");
    }
    assert_eq!(parse("!locked"), Parsed::Locked);
}

fn password(text: &str) -> Password {
    Password::new(text).expect("short enough")
}

fn hasher(prehash: PreHash) -> PasswordHasher {
    PasswordHasher::builder()
        .cost(10)
        .prehash(prehash)
        .build()
        .expect("valid settings")
}

#[test]
fn passwords_that_differ_after_72_bytes_are_different() {
    let hasher = hasher(PreHash::SaltHmac);
    let (first, second) = ("x".repeat(72) + "a", "x".repeat(72) + "b");
    let stored = hasher.hash(&password(&first)).expect("hashed");
    assert_eq!(
        hasher.verify(&password(&first), Some(&stored)),
        Verified::Match { rehash: None }
    );
    let reason = MismatchReason::WrongPassword;
    assert_eq!(
        hasher.verify(&password(&second), Some(&stored)),
        Verified::Mismatch { reason }
    );
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
        matches("a\0a", &stored),
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
    let old = PLAIN[4].1;
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
    assert_eq!(
        hasher.verify(&password("a"), Some(&stored)),
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

#[track_caller]
fn check_weak(text: &str, expected: Option<WeakPassword>) {
    let outcome =
        PasswordPolicy::default().check(&password(text), &["ann.miller@example.com", "Gallery"]);
    assert_eq!(outcome.err(), expected, "{text}");
}

#[test]
fn new_passwords_are_judged_by_length_and_predictability() {
    check_weak(
        "fourteen chars",
        Some(WeakPassword::TooShort { min_chars: 15 }),
    );
    check_weak("fifteen chars !", None);
    check_weak("žluťoučký kůň!!", None);
    check_weak("violet kettle parade", None);
    check_weak("Password12345678", Some(WeakPassword::Common));
    check_weak("password and a good deal more", None);
    check_weak("abcabcabcabcabcabc", Some(WeakPassword::Repetitive));
    check_weak("aaaaaaaaaaaaaaaa", Some(WeakPassword::Repetitive));
    check_weak("qwertyuiopasdfgh", Some(WeakPassword::Repetitive));
    check_weak("987654321098765", Some(WeakPassword::Repetitive));
    check_weak("45678901234567890", Some(WeakPassword::Repetitive));
    check_weak("miller miller 99", Some(WeakPassword::Context));
    check_weak(
        "violet\u{7}kettle parade",
        Some(WeakPassword::ControlCharacter),
    );
    check_weak(
        &"violet kettle ".repeat(20),
        Some(WeakPassword::TooLong { max_chars: 256 }),
    );
}

proptest! {
    #[test]
    fn no_stored_text_makes_the_parser_panic(text in "\\PC{0,90}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_readable_hash_has_one_spelling(text in "\\$2b\\$(0[4-9]|[12][0-9]|3[01])\\$[./A-Za-z0-9]{53}") {
        if let Parsed::Hash(hash) = parse(&text) {
            prop_assert_eq!(hash.to_text(), text);
        }
    }
}
