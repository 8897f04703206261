//! How much of a token is looked at: what is within a limit passes, and one more does not.

use tower_rampart::jwt::testing::TestKeys;
use tower_rampart::jwt::{Verifier, VerifyErrorKind};

fn judge(keys: &TestKeys, token: &str) -> Result<(), VerifyErrorKind> {
    let verifier = Verifier::builder(keys.key_set())
        .issuer(keys.issuer())
        .audience(keys.audience())
        .build()
        .expect("valid");
    let judged = verifier.verify(token, keys.now());
    judged.map(drop).map_err(|error| error.kind())
}

#[test]
fn a_token_may_have_eight_kibibytes() {
    let keys = TestKeys::hs256();
    let of = |filler: usize| keys.token().claim("filler", "x".repeat(filler)).sign();
    // Three bytes more are four letters more.
    let shortest = of(0).len();
    let longest = (0..3)
        .map(|more| of((8_192 - shortest) / 4 * 3 - 3 + more))
        .chain((0..4).map(|more| of((8_192 - shortest) / 4 * 3 + more)))
        .filter(|token| token.len() <= 8_192)
        .max_by_key(String::len)
        .expect("one fits");
    assert!(longest.len() >= 8_191, "{}", longest.len());
    assert_eq!(judge(&keys, &longest), Ok(()));
    // Without a full stop it is no token at all, whatever its length.
    let malformed = Err(VerifyErrorKind::Malformed);
    assert_eq!(judge(&keys, &"x".repeat(8_192)), malformed);
    let too_large = Err(VerifyErrorKind::TooLarge);
    assert_eq!(judge(&keys, &"x".repeat(8_193)), too_large);
    assert_eq!(judge(&keys, &of(8_192)), too_large);
}

#[test]
fn a_header_may_have_thirty_two_members() {
    let keys = TestKeys::hs256();
    let with = |members: usize| {
        // Three are there already: `alg`, `kid`, `typ`.
        let others = 0..members - 3;
        let token = others.fold(keys.token(), |token, number| {
            token.header(&format!("x{number}"), "y")
        });
        judge(&keys, &token.sign())
    };
    assert_eq!(with(3), Ok(()));
    assert_eq!(with(32), Ok(()));
    assert_eq!(with(33), Err(VerifyErrorKind::Malformed));
    assert_eq!(with(34), Err(VerifyErrorKind::Malformed));
}
