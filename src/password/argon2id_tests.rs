//! Argon2id beside bcrypt.

use std::sync::Arc;

use super::argon2id::Argon2id;
use super::stored::{Parsed, parse};
use super::tests::password;
use super::{MismatchReason, PasswordHasher, PreHash, Problem, RehashReason, Verified};
use crate::secret::Secret;

fn least() -> Argon2id {
    Argon2id::new(7_168, 5, 1).expect("what OWASP accepts")
}

fn hasher() -> PasswordHasher {
    let builder = PasswordHasher::builder().cost(10).argon2id(least());
    builder.build().expect("valid")
}

/// Six are in `src/test.c` of the reference implementation too; all were computed
/// by it, through argon2-cffi.
#[test]
fn hashes_of_the_reference_implementation_verify() {
    for (text, stored) in VECTORS {
        let outcome = hasher().verify(&password(text), Some(stored));
        assert!(matches!(outcome, Verified::Match { .. }), "{stored}");
        let outcome = hasher().verify(&password("another"), Some(stored));
        assert!(matches!(outcome, Verified::Mismatch { .. }), "{stored}");
    }
}

#[test]
fn a_hash_of_bcrypt_is_replaced_and_never_the_other_way_round() {
    let bcrypt = PasswordHasher::builder().cost(10).build().expect("valid");
    let old = bcrypt.hash(&password("violet")).expect("hashed");
    let Verified::Match {
        rehash: Some(rehash),
    } = hasher().verify(&password("violet"), Some(&old))
    else {
        panic!("argon2id is wanted");
    };
    assert_eq!(rehash.why, [RehashReason::Scheme]);
    assert!(
        rehash.new.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"),
        "{}",
        rehash.new
    );
    for hasher in [hasher(), bcrypt] {
        let outcome = hasher.verify(&password("violet"), Some(&rehash.new));
        assert_eq!(outcome, Verified::Match { rehash: None });
        let reason = MismatchReason::WrongPassword;
        let outcome = hasher.verify(&password("purple"), Some(&rehash.new));
        assert_eq!(outcome, Verified::Mismatch { reason });
    }
}

#[test]
fn a_cheaper_hash_is_replaced_and_a_costlier_one_is_not() {
    let other = |memory_kib, passes| {
        let costs = Argon2id::new(memory_kib, passes, 1).expect("valid");
        let builder = PasswordHasher::builder().argon2id(costs);
        builder.build().expect("valid")
    };
    let stored = hasher().hash(&password("violet")).expect("hashed");
    assert_eq!(other(7_168, 6).needs_rehash(&stored), [RehashReason::Cost]);
    let Verified::Match {
        rehash: Some(rehash),
    } = other(19_456, 2).verify(&password("violet"), Some(&stored))
    else {
        panic!("it costs less");
    };
    // What is set now, and not the most of each.
    assert!(rehash.new.contains("$m=19456,t=2,p=1$"), "{}", rehash.new);
    assert!(hasher().needs_rehash(&rehash.new).is_empty());
    assert!(other(9_216, 4).needs_rehash(&rehash.new).is_empty());
    // A little less work, and a pepper besides: nothing is lost.
    let costs = Argon2id::new(9_216, 4, 1).expect("valid");
    let pepper = Arc::new(Secret::new(vec![7; 32]));
    let builder = PasswordHasher::builder()
        .argon2id(costs)
        .pepper("p1", pepper);
    let Verified::Match {
        rehash: Some(rehash),
    } = builder
        .build()
        .expect("valid")
        .verify(&password("violet"), Some(&rehash.new))
    else {
        panic!("it has no pepper");
    };
    assert_eq!(rehash.why, [RehashReason::Pepper]);
    assert!(
        rehash.new.contains("$m=19456,t=2,p=1,keyid="),
        "{}",
        rehash.new
    );
}

#[test]
fn a_pepper_is_the_secret_value_and_named() {
    let pepper = Arc::new(Secret::new(vec![7; 32]));
    let build = |id: &str, pepper: &Arc<Secret>| {
        let builder = PasswordHasher::builder().cost(10).argon2id(least());
        builder
            .pepper(id, Arc::clone(pepper))
            .build()
            .expect("valid")
    };
    let first = build("p1", &pepper);
    let stored = first.hash(&password("violet")).expect("hashed");
    assert!(stored.contains(",keyid=cDE$"), "{stored}");
    let outcome = first.verify(&password("violet"), Some(&stored));
    assert_eq!(outcome, Verified::Match { rehash: None });
    let another = Arc::new(Secret::new(vec![8; 32]));
    for (hasher, reason) in [
        (build("p1", &another), MismatchReason::WrongPassword),
        (build("p2", &pepper), MismatchReason::UnknownPepper),
        (hasher(), MismatchReason::UnknownPepper),
    ] {
        let outcome = hasher.verify(&password("violet"), Some(&stored));
        assert_eq!(outcome, Verified::Mismatch { reason });
    }
    let without = hasher().hash(&password("violet")).expect("hashed");
    assert_eq!(first.needs_rehash(&without), [RehashReason::Pepper]);
}

#[test]
fn hostile_stored_hashes_are_unreadable_or_not_run() {
    let good = hasher().hash(&password("violet")).expect("hashed");
    assert!(matches!(parse(&good), Parsed::Hash(_)));
    for (from, to) in [
        ("v=19", "v=16"),
        ("$argon2id$", "$argon2i$"),
        ("m=7168", "m=07168"),
        ("m=7168", "m=+7168"),
        ("m=7168", "m=7"),
        ("m=7168", "m=99999999999"),
        ("t=5", "t=0"),
        ("t=5", "t="),
        ("p=1", "p=0"),
        ("p=1", "p=1,data=aaaa"),
        ("p=1", "p=1,keyid="),
        ("p=1$", "p=1$$"),
        ("m=7168,t=5", "t=5,m=7168"),
    ] {
        let hostile = good.replacen(from, to, 1);
        assert_ne!(hostile, good);
        assert_eq!(parse(&hostile), Parsed::Unreadable, "{hostile}");
    }
    for hostile in [
        &good[..good.len() - 30],
        &format!("{good}$a"),
        &format!("{good}="),
    ] {
        assert_eq!(parse(hostile), Parsed::Unreadable, "{hostile}");
    }
    for (from, to) in [("m=7168", "m=262145"), ("t=5", "t=17"), ("p=1", "p=9")] {
        let costly = good.replacen(from, to, 1);
        let reason = MismatchReason::CostRefused;
        let outcome = hasher().verify(&password("violet"), Some(&costly));
        assert_eq!(outcome, Verified::Mismatch { reason }, "{costly}");
    }
}

#[test]
fn costs_that_protect_nothing_or_cannot_be_borne_are_problems() {
    for (memory_kib, passes, lanes) in [
        (7_167, 5, 1),
        (7_168, 4, 1),
        (19_456, 1, 1),
        (262_145, 1, 1),
        (19_456, 17, 1),
        (19_456, 2, 9),
        (19_456, 2, 0),
    ] {
        let problems = Argon2id::new(memory_kib, passes, lanes).expect_err("a problem");
        let expected = Problem::Argon2id {
            memory_kib,
            passes,
            lanes,
        };
        assert_eq!(problems.into_problems(), [expected]);
    }
    let builder = PasswordHasher::builder().argon2id(least()).cost(99);
    let unused = builder
        .prehash(PreHash::SaltHmac)
        .build()
        .expect_err("unused");
    assert_eq!(unused.into_problems(), [Problem::PreHashUnused]);
    let missing = PasswordHasher::builder().prehash(PreHash::Pepper).build();
    let missing = missing.expect_err("no pepper").into_problems();
    assert_eq!(missing, [Problem::PepperMissing]);
}

/// Passwords and their hashes.
const VECTORS: &[(&str, &str)] = &[
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ),
    (
        "password",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ),
    (
        "password",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ),
    (
        "password",
        "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg",
    ),
    (
        "differentpassword",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94",
    ),
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$ZGlmZnNhbHQ$vfMrBczELrFdWP0ZsfhWsRPaHppYdP3MVEMIVlqoFBw",
    ),
    (
        "žluťoučký kůň",
        "$argon2id$v=19$m=8192,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$nGo9BcvZiJliltrq6H2bnHlI6yVhXEln",
    ),
];
