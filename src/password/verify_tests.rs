//! What verifying tells: by its outcome, and by its time.

use super::hasher::{PasswordHasher, digest};
use super::stored::{Form, Stored};
use super::tests::{WORK, hasher, password};
use super::{PreHash, RehashReason, Verified};

/// The rounds of bcrypt that something takes.
fn work_of(action: impl FnOnce()) -> u64 {
    let before = WORK.get();
    action();
    WORK.get() - before
}

/// What an attacker could see of an account by the clock, counted.
#[test]
fn every_way_to_fail_takes_as_much_work() {
    let hasher = PasswordHasher::builder().cost(12).build().expect("valid");
    let right = hasher
        .hash(&password("violet kettle parade"))
        .expect("hashed");
    let cheap = PasswordHasher::builder().cost(10).build().expect("valid");
    let cheap = cheap
        .hash(&password("violet kettle parade"))
        .expect("hashed");
    let foreign = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
    let costly = right.replace(",r=12$", ",r=31$");
    let locked = PasswordHasher::locked();
    let long = "x".repeat(1_024);
    for (name, text, stored) in [
        ("an unknown account", "violet kettle pirate", None),
        ("a wrong password", "violet kettle pirate", Some(&*right)),
        ("a password that is too long", &long, Some(&*right)),
        ("no password", "", Some(&*right)),
        ("a NUL", "violet\0kettle", Some(&*right)),
        ("an older cost", "violet kettle pirate", Some(&*cheap)),
        (
            "another system's hash",
            "violet kettle pirate",
            Some(foreign),
        ),
        ("a locked account", "violet kettle parade", Some(&*locked)),
        (
            "a hash that cannot be read",
            "violet kettle parade",
            Some("*"),
        ),
        (
            "a cost above the cap",
            "violet kettle parade",
            Some(&*costly),
        ),
    ] {
        let rounds = work_of(|| {
            let verified = hasher.verify(&password(text), stored);
            assert!(matches!(verified, Verified::Mismatch { .. }), "{name}");
        });
        assert_eq!(rounds, 1 << 12, "{name}");
    }
    let rounds = work_of(|| {
        let verified = hasher.verify(&password("violet kettle parade"), Some(&right));
        assert_eq!(verified, Verified::Match { rehash: None });
    });
    assert_eq!(rounds, 1 << 12, "the right password");
}

#[test]
fn what_a_hash_lacks_is_named() {
    let hasher = hasher(PreHash::SaltHmac);
    let [new, plain] = [PreHash::SaltHmac, PreHash::None].map(|prehash| {
        let hasher = PasswordHasher::builder().cost(11).prehash(prehash);
        hasher
            .build()
            .expect("valid")
            .hash(&password("a"))
            .expect("hashed")
    });
    for (stored, why) in [
        (&*new, &[][..]),
        (&plain, &[RehashReason::PreHash]),
        (&new.replace(",r=11$", ",r=9$"), &[RehashReason::Cost]),
        (
            &plain.replace("$2b$11$", "$2y$09$"),
            &[
                RehashReason::Cost,
                RehashReason::Foreign,
                RehashReason::PreHash,
            ],
        ),
        (
            "$bcrypt-hmac-sha384$v=1,k=p1,t=2b,r=10$n79VH.0Q2TMWmt3Oqt9uku$a26lS05Ydq9tdJDEZ/FL5XiUF8UHs.y",
            &[RehashReason::Pepper],
        ),
        ("!", &[]),
        ("no hash", &[]),
    ] {
        assert_eq!(hasher.needs_rehash(stored), why, "{stored}");
    }
    let builder = PasswordHasher::builder().cost(10);
    let cheaper = builder.dangerous_allow_downgrade().build().expect("valid");
    assert_eq!(cheaper.needs_rehash(&new), [RehashReason::Cost]);
    let Verified::Match {
        rehash: Some(rehash),
    } = cheaper.verify(&password("a"), Some(&new))
    else {
        panic!("that is what was allowed");
    };
    assert!(rehash.new.contains(",r=10$"), "{}", rehash.new);
    assert_eq!(rehash.why, [RehashReason::Cost]);
    // What only the password tells.
    let long = "x".repeat(80);
    let key = digest(Form::Plain, None, 10, [7; 16], long.as_bytes());
    let cut = Stored {
        form: Form::Plain,
        cost: 10,
        salt: [7; 16],
        digest: key,
        foreign: false,
    };
    let verified = hasher.verify(&password(&long), Some(&cut.to_text()));
    let Verified::Match {
        rehash: Some(rehash),
    } = verified
    else {
        panic!("bcrypt read the first 72 bytes of it");
    };
    assert_eq!(rehash.why, [RehashReason::PreHash, RehashReason::Truncated]);
    let prefix = hasher.verify(&password(&long[..72]), Some(&rehash.new));
    assert!(matches!(prefix, Verified::Mismatch { .. }), "{prefix:?}");
}
