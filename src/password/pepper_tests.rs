//! Secrets that are not in the database.

use std::sync::Arc;

use super::hasher::PasswordHasher;
use super::stored::{Parsed, parse};
use super::tests::password;
use super::{MismatchReason, PreHash, Problem, Verified};
use crate::secret::Secret;

fn pepper(first: u8) -> Arc<Secret> {
    Arc::new(Secret::new((first..first + 32).collect::<Vec<_>>()))
}

/// Computed in Python, with `hmac` and pyca/bcrypt.
#[test]
fn a_pepper_is_mixed_in_and_can_be_replaced() {
    let build = |current: (&str, u8), retired: &[(&str, u8)]| {
        let builder = PasswordHasher::builder().cost(10);
        let builder = builder.pepper(current.0, pepper(current.1));
        let builder = retired.iter().fold(builder, |builder, (id, first)| {
            builder.retired_pepper(*id, pepper(*first))
        });
        builder.build().expect("valid")
    };
    let first = build(("p1", 0), &[]);
    let (long, longer) = ("x".repeat(72), "x".repeat(73));
    for (text, digest) in [
        ("password", "a26lS05Ydq9tdJDEZ/FL5XiUF8UHs.y"),
        (&long, "Tcg9SPl9oBAEpdjsIH97eG/uakqB1vO"),
        (&longer, "Kq4AZQMcOSwmuvWo8nDY3PzVzk92UeO"),
        ("", "/z9qkxOQu78mnlPa9zDYd5ZRnzvmkVa"),
    ] {
        let stored =
            format!("$bcrypt-hmac-sha384$v=1,k=p1,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku${digest}");
        let verified = first.verify(&password(text), Some(&stored));
        let Verified::Match {
            rehash: Some(rehash),
        } = verified
        else {
            panic!("{stored} is the hash of {text:?}");
        };
        assert!(
            rehash
                .new
                .starts_with("$bcrypt-hmac-sha384$v=1,k=p1,t=2b,r=10$")
        );
    }
    let stored = first.hash(&password("violet")).expect("hashed");
    assert_eq!(
        first.verify(&password("violet"), Some(&stored)),
        Verified::Match { rehash: None }
    );

    let second = build(("p2", 7), &[("p1", 0)]);
    let Verified::Match {
        rehash: Some(rehash),
    } = second.verify(&password("violet"), Some(&stored))
    else {
        panic!("the retired pepper still opens");
    };
    assert!(rehash.new.contains(",k=p2,"), "{}", rehash.new);
    for (hasher, reason) in [
        (build(("p2", 7), &[]), MismatchReason::UnknownPepper),
        // Another secret under the same name.
        (build(("p1", 7), &[]), MismatchReason::WrongPassword),
    ] {
        let verified = hasher.verify(&password("violet"), Some(&stored));
        assert_eq!(verified, Verified::Mismatch { reason });
    }
    for hostile in ["", "P1", "p 1", "seventeen00letters", "p$1", "ä"] {
        let stored = stored.replace("k=p1", &format!("k={hostile}"));
        assert_eq!(parse(&stored), Parsed::Unreadable, "{stored}");
    }
}

#[test]
fn peppers_that_protect_nothing_are_problems() {
    let problems = PasswordHasher::builder()
        .prehash(PreHash::SaltHmac)
        .pepper("Now", pepper(0))
        .retired_pepper("old", Arc::new(Secret::new(vec![0; 31])))
        .retired_pepper("old", pepper(0))
        .build()
        .expect_err("four problems")
        .into_problems();
    let (now, old) = ("Now".to_owned(), "old".to_owned());
    let expected = [
        Problem::PepperId { id: now },
        Problem::PepperTooShort { id: old.clone() },
        Problem::PepperTwice { id: old },
        Problem::PepperUnused,
    ];
    assert_eq!(problems, expected);
}
