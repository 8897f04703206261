//! Which passwords may be set.

use super::tests::password;
use super::{Blocklist, PasswordPolicy, WeakPassword};

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
    check_weak("miller 99 miller", Some(WeakPassword::Context));
    // What it is made of says more than that it repeats itself.
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

#[track_caller]
fn check_with_mfa(text: &str, expected: Option<WeakPassword>) {
    let outcome = PasswordPolicy::with_mfa().check(&password(text), &[]);
    assert_eq!(outcome.err(), expected, "{text}");
}

#[test]
fn passwords_that_are_tried_first_are_refused_whatever_is_made_of_them() {
    for text in [
        "sunshine",
        "SunShine",
        "5un5h1n3",
        "sunshine2024!",
        "(sunshine)",
        "sun-shine",
        "iloveyou princess",
        "michelle1987superman",
        "michelle&superman",
        "$unshine2024",
        "(5uperman)",
        "5uperman (2024-2025)",
        "sunsh1n3-2024!",
    ] {
        check_with_mfa(text, Some(WeakPassword::Common));
    }
    for text in [
        "Sunshine-2024-Sunshine",
        "m1chelle superman 2024",
        "Michelle2024Michelle2025",
        "Welcome2024Welcome!",
        "january15/january15/january",
    ] {
        check_weak(text, Some(WeakPassword::Common));
    }
    // Three words, one that is on no list beside one that is, or a long number.
    check_weak("sunshine violet kettle", None);
    check_with_mfa("sunshine kettle-drum", None);
    check_weak("839104726105903847 monkey", None);
    check_weak("8391-0472-6105-9182 michelle", None);
    check_with_mfa("seven.ch", None);
    check_with_mfa("sevench", Some(WeakPassword::TooShort { min_chars: 8 }));
}

#[test]
fn runs_are_runs_with_something_behind_them_too() {
    for text in [
        "abcdefghijklmno!",
        "0987654321098765!",
        "1qaz2wsx3edc4rfv5",
        "1qaz2wsx3edc4rfv5tgb6yhn",
        "zaq12wsxcde34rfv",
        "!@#$%^&*()!@#$%^&*()",
        "20240101202401012",
        "mnbvcxzlkjhgfdsa12",
        "kettle 9kettle 9kettle",
    ] {
        check_weak(text, Some(WeakPassword::Repetitive));
    }
    check_weak("abcdefghijk-9-kettles", None);
    check_weak("kettle and another kettle", None);
}

#[test]
fn a_list_of_ones_own_is_added_to_the_common_one() {
    let policy = PasswordPolicy::with_mfa().blocklist(Blocklist::none());
    assert_eq!(policy.check(&password("michelle1987"), &[]), Ok(()));
    let listed = Blocklist::common().and(["Bramble Gallery", "short"]);
    let policy = PasswordPolicy::with_mfa().blocklist(listed);
    for text in ["br4mble gallery", "bramblegallery99", "michelle1987"] {
        let judged = policy.check(&password(text), &[]);
        assert_eq!(judged, Err(WeakPassword::Common), "{text}");
    }
    // In the spelling that passwords are judged in.
    let listed = Blocklist::none().and(["mu\u{308}nchner wiesn"]);
    let policy = PasswordPolicy::default().blocklist(listed);
    let judged = policy.check(&password("M\u{fc}nchner Wiesn 1!"), &[]);
    assert_eq!(judged, Err(WeakPassword::Common));
    let listed = Blocklist::common().and(["Bramble Gallery", "short"]);
    let policy = PasswordPolicy::with_mfa().blocklist(listed);
    // Too short to forbid anything.
    assert_eq!(policy.check(&password("short short!"), &[]), Ok(()));
}

#[test]
fn code_points_count_and_no_composition_is_asked_for() {
    let most = (0..256)
        .filter_map(|n| char::from_u32(0x1f600 + n % 80))
        .collect::<String>();
    check_weak(&most, None);
    assert!(
        super::Password::new(format!("{most}\u{1f600}")).is_err(),
        "over 1,024 bytes"
    );
    let more: String = (0..257)
        .filter_map(|n| char::from_u32(0xc0 + n % 64))
        .collect();
    check_weak(&more, Some(WeakPassword::TooLong { max_chars: 256 }));
    check_weak("onlylowercaseletters", None);
    // Fifteen as they are typed, and as they are kept.
    check_weak(
        "a\u{308}bcdefghijxyzq",
        Some(WeakPassword::TooShort { min_chars: 15 }),
    );
    check_weak("a\u{308}bcdefghijxyzqv", None);
}
