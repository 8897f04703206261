//! How much of a secret somebody has to guess who knows what people write.

use std::collections::HashSet;

/// Enough to stop counting.
const PLENTY: f64 = 256.0;

/// The shortest word, sequence or repetition that counts as one character.
const SHORTEST: usize = 4;

/// How far back repetitions are looked for, in bytes.
const WINDOW: usize = 1_024;

/// What keys follow each other, in alphabets and on keyboards.
const ROWS: [&[u8]; 5] = [
    b"abcdefghijklmnopqrstuvwxyz",
    b"01234567890",
    b"qwertyuiop",
    b"asdfghjkl",
    b"zxcvbnm",
];

/// Words of four letters and more that are in secrets which nobody drew.
const WORDS: &[&[u8]] = &[
    b"access",
    b"admin",
    b"administrator",
    b"application",
    b"backend",
    b"cafebabe",
    b"change",
    b"changeit",
    b"changeme",
    b"company",
    b"database",
    b"deadbeef",
    b"default",
    b"demo",
    b"devel",
    b"development",
    b"docker",
    b"example",
    b"generate",
    b"guest",
    b"here",
    b"hello",
    b"insecure",
    b"jsonwebtoken",
    b"letmein",
    b"local",
    b"localhost",
    b"login",
    b"long",
    b"master",
    b"must",
    b"mypassword",
    b"mysecret",
    b"only",
    b"passw0rd",
    b"password",
    b"pepper",
    b"placeholder",
    b"please",
    b"postgres",
    b"private",
    b"prod",
    b"production",
    b"project",
    b"rampart",
    b"random",
    b"refresh",
    b"replace",
    b"root",
    b"sample",
    b"secret",
    b"secretkey",
    b"secure",
    b"server",
    b"service",
    b"session",
    b"sign",
    b"signing",
    b"some",
    b"staging",
    b"string",
    b"super",
    b"test",
    b"testing",
    b"that",
    b"this",
    b"todo",
    b"token",
    b"user",
    b"value",
    b"very",
    b"welcome",
    b"with",
    b"world",
    b"your",
];

/// Estimates bits from above: what is left without well-known words, sequences and
/// repetitions, each counted as one character, times what one of the characters tells
/// that are in it.
pub(super) fn bits(bytes: &[u8]) -> f64 {
    let folded = bytes.to_ascii_lowercase();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let known = [
            word(&folded[at..]),
            sequence(&folded[at..]),
            repetition(bytes, at),
        ];
        let known = known.into_iter().max().unwrap_or_default();
        kept.push(bytes[at]);
        at += known.max(1);
        if kept.len().is_multiple_of(32) && told(&kept) >= PLENTY {
            return PLENTY;
        }
    }
    told(&kept).min(PLENTY)
}

fn told(kept: &[u8]) -> f64 {
    let distinct = kept.iter().collect::<HashSet<_>>().len();
    // Neither is above a few thousand.
    let as_float = |count: usize| u32::try_from(count).map_or(f64::MAX, f64::from);
    as_float(kept.len()) * as_float(distinct.max(1)).log2()
}

/// How long the longest word is that a text begins with.
fn word(text: &[u8]) -> usize {
    let words = WORDS.iter().filter(|word| text.starts_with(word));
    words.map(|word| word.len()).max().unwrap_or_default()
}

/// How long the sequence is that a text begins with: of one character, or of those that
/// follow each other one way or the other.
fn sequence(text: &[u8]) -> usize {
    let longest = |follows: &dyn Fn(u8, u8) -> bool| {
        1 + text
            .windows(2)
            .take_while(|pair| follows(pair[0], pair[1]))
            .count()
    };
    let upwards = |one: u8, next: u8| {
        ROWS.iter()
            .any(|row| row.windows(2).any(|pair| pair == [one, next]))
    };
    let lengths = [
        longest(&|one, next| one == next),
        longest(&upwards),
        longest(&|one, next| upwards(next, one)),
    ];
    let length = lengths.into_iter().max().unwrap_or_default();
    if length < SHORTEST {
        0
    } else {
        length.min(text.len())
    }
}

/// How much of what follows a place was there before.
fn repetition(bytes: &[u8], at: usize) -> usize {
    let following = &bytes[at..];
    let starts = at.saturating_sub(WINDOW)..at;
    let lengths = starts.map(|start| {
        let pairs = bytes[start..].iter().zip(following);
        pairs.take_while(|(one, other)| one == other).count()
    });
    let length = lengths.max().unwrap_or_default();
    if length < SHORTEST { 0 } else { length }
}

#[cfg(test)]
mod tests {
    use super::bits;
    use crate::secret::{Secret, hex, random_bytes};

    #[test]
    fn what_people_write_is_little() {
        for (text, most) in [
            ("", 0.0),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0.0),
            ("0123456789abcdefghijklmnopqrstuvwxyz", 8.0),
            ("zyxwvutsrqponmlkjihgfedcba9876543210", 8.0),
            ("QWERTYUIOPASDFGHJKLZXCVBNM1234567890", 10.0),
            ("test-secret-for-demo-server-postgres-admin", 60.0),
            ("please-replace-this-with-your-very-long-secret-key", 72.0),
            ("kT7-kT7-kT7-kT7-kT7-kT7-kT7-kT7-kT7-kT7-kT7-kT7-x", 20.0),
            ("MyCompanyProductionSecretKey2024!!", 80.0),
        ] {
            let found = bits(text.as_bytes());
            assert!(found <= most, "{text}: {found}");
        }
    }

    #[test]
    fn what_was_drawn_is_much() {
        for _ in 0..2_000 {
            let drawn = random_bytes::<32>();
            assert!(bits(&drawn) > 120.0, "{drawn:?}");
            let digits = hex(&drawn);
            assert!(bits(digits.as_bytes()) > 180.0, "{digits}");
        }
        let long = Secret::random(64 * 1024);
        assert!(long.estimated_bits() == 256);
        // Nor does a long one take long.
        let same = Secret::new(vec![b'x'; 64 * 1024]);
        assert_eq!(same.estimated_bits(), 0);
        let words = b"password ".repeat(8 * 1024);
        assert!(Secret::new(words).estimated_bits() < 32);
    }
}
