//! Attacks with how a token is sent, cut and encoded.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use super::attack::Attack;
use super::{TestKeys, encode};

/// Makes the attacks.
pub(super) fn attacks(keys: &TestKeys) -> Vec<Attack> {
    let mut attacks = credentials(keys);
    attacks.extend(segments(keys));
    attacks.extend(encodings(keys));
    attacks.extend(signatures(keys));
    attacks.extend(sizes(keys));
    attacks
}

/// Credentials that are not one bearer token in one place (RFC 6750 §2.1).
fn credentials(keys: &TestKeys) -> Vec<Attack> {
    let good = keys.token().sign();
    let mut attacks = vec![
        Attack::query("no credentials", "").answered("token_missing"),
        Attack::query("a token in the query", &good),
        Attack::raw("another scheme", "Basic dXNlcjpwYXNz").answered("token_missing"),
        Attack::raw("a DPoP token", format!("DPoP {good}")).answered("token_missing"),
        Attack::raw("two fields", format!("Bearer {good}")).and(format!("Bearer {good}")),
        Attack::raw(
            "two fields, one of another scheme",
            format!("Bearer {good}"),
        )
        .and("Basic dXNlcjpwYXNz"),
    ];
    for (name, field) in [
        ("a scheme alone", "Bearer".to_owned()),
        ("two spaces", format!("Bearer  {good}")),
        ("a tab", format!("Bearer \t{good}")),
        ("a tab alone", format!("Bearer\t{good}")),
        ("a comma after the token", format!("Bearer {good},")),
        ("two tokens", format!("Bearer {good} {good}")),
        (
            "two tokens with a comma",
            format!("Bearer {good}, Bearer {good}"),
        ),
        ("a quoted token", format!("Bearer \"{good}\"")),
        ("a parameter", format!("Bearer token={good}, x=1")),
        ("padding alone", "Bearer ====".to_owned()),
    ] {
        attacks.push(Attack::raw(name, field));
    }
    attacks.push(Attack::raw(
        "bytes that are no text",
        b"Bearer \xff\xfe\xfd",
    ));
    attacks.push(Attack::raw("letters beyond ASCII", "Bearer tök.en.x"));
    attacks
}

/// Not three parts (RFC 7515 §3.1).
fn segments(keys: &TestKeys) -> Vec<Attack> {
    let good = keys.token().sign();
    let parts: Vec<_> = good.split('.').collect();
    let [header, claims, signature] =
        [0, 1, 2].map(|index| parts.get(index).copied().unwrap_or(""));
    let flattened = json!({"protected": header, "payload": claims, "signature": signature});
    let mut attacks = Vec::new();
    for (name, token) in [
        ("one part", header.to_owned()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{good}.{signature}")),
        (
            "five parts, as encrypted tokens have",
            format!("{header}..{claims}.{signature}.x"),
        ),
        ("an empty header", format!(".{claims}.{signature}")),
        ("an empty payload", format!("{header}..{signature}")),
        (
            "a detached payload (RFC 7515 F)",
            format!("{header}..{signature}"),
        ),
        ("dots alone", "..".to_owned()),
        ("a leading dot", format!(".{good}")),
        ("a trailing dot", format!("{good}.")),
        (
            "the parts in another order",
            format!("{claims}.{header}.{signature}"),
        ),
        ("a refresh token", format!("rt1_{signature}")),
        ("JSON serialization, encoded", encode(flattened.to_string())),
        (
            // CVE-2022-39227: one text that is both serializations.
            "both serializations at once",
            format!("{}.{claims}.{signature}", encode(flattened.to_string())),
        ),
    ] {
        attacks.push(Attack::token(name, token));
    }
    // JSON itself is no b64token, so it does not get as far as a token.
    attacks.push(Attack::raw(
        "JSON serialization",
        format!("Bearer {flattened}"),
    ));
    attacks
}

/// The same bytes in another spelling (RFC 7515 §2).
fn encodings(keys: &TestKeys) -> Vec<Attack> {
    let good = keys.token().sign();
    let (input, signature) = good.rsplit_once('.').unwrap_or_default();
    let (header, claims) = input.split_once('.').unwrap_or_default();
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    // Bytes whose spelling differs between the two alphabets.
    let umlauts = keys.token().claim("name", "??>>~~ÿÿÿ").claims_text();
    let attacks = vec![
        (
            "a padded signature",
            format!("{input}.{}", URL_SAFE.encode(bytes(signature))),
        ),
        ("a padded signature, twice", format!("{good}==")),
        (
            "a padded header",
            keys.sign_parts(&format!("{}=", header), claims),
        ),
        (
            "padded claims",
            keys.sign_parts(header, &format!("{claims}=")),
        ),
        (
            "claims in the standard alphabet",
            keys.sign_parts(header, &STANDARD_NO_PAD.encode(&umlauts)),
        ),
        (
            "padded claims in the standard alphabet",
            keys.sign_parts(header, &STANDARD.encode(&umlauts)),
        ),
        (
            "spare bits in the signature",
            format!("{input}.{}", spare_bits(signature)),
        ),
        (
            "spare bits in the claims",
            keys.sign_parts(header, &spare_bits(&encode(pad(&bytes(claims))))),
        ),
        (
            "one letter more than a multiple of four",
            keys.sign_parts(header, &format!("{}A", encode(aligned(&bytes(claims))))),
        ),
        (
            "claims that are no text",
            keys.sign_parts(header, &encode([0xff, 0xfe, 0x7b])),
        ),
        (
            "claims with a byte order mark",
            keys.sign_parts(
                header,
                &encode([b"\xef\xbb\xbf", &bytes(claims)[..]].concat()),
            ),
        ),
        (
            "a header with a byte order mark",
            keys.sign_parts(
                &encode([b"\xef\xbb\xbf", &bytes(header)[..]].concat()),
                claims,
            ),
        ),
        (
            "something after the claims",
            keys.sign_parts(header, &encode([&bytes(claims)[..], b"{}"].concat())),
        ),
        (
            "something after the header",
            keys.sign_parts(&encode([&bytes(header)[..], b"{}"].concat()), claims),
        ),
        (
            "a NUL after the header",
            keys.sign_parts(&encode([&bytes(header)[..], b"\0"].concat()), claims),
        ),
        (
            "tildes, which no alphabet has",
            format!("{input}.{signature}~"),
        ),
    ];
    attacks
        .into_iter()
        .map(|(name, token)| Attack::token(name, token))
        .collect()
}

/// Makes the length one more than a multiple of three, with a space.
fn pad(json: &[u8]) -> Vec<u8> {
    let mut padded = json.to_vec();
    while padded.len() % 3 != 1 {
        padded.push(b' ');
    }
    padded
}

/// Makes the length a multiple of three, with spaces.
fn aligned(json: &[u8]) -> Vec<u8> {
    let mut padded = json.to_vec();
    while !padded.len().is_multiple_of(3) {
        padded.push(b' ');
    }
    padded
}

/// Sets a bit of the last letter that decodes to nothing.
fn spare_bits(part: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = part.bytes().last().unwrap_or(b'A');
    let value = ALPHABET.iter().position(|letter| *letter == last);
    let other = ALPHABET[value.unwrap_or(0) ^ 1];
    let kept = &part[..part.len().saturating_sub(1)];
    format!("{kept}{}", char::from(other))
}

/// Signatures that are not the key's own.
fn signatures(keys: &TestKeys) -> Vec<Attack> {
    let good = keys.token().sign();
    let (input, signature) = good.rsplit_once('.').unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let with = |signature: &[u8]| format!("{input}.{}", encode(signature));
    let mut attacks = Vec::new();
    for length in 0..bytes.len() {
        // CVE-2020-28042 for none, and every shorter one.
        let name = format!("a signature cut to {length} bytes");
        attacks.push(Attack::token(name, with(&bytes[..length])));
    }
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let name = format!("a signature with byte {index} changed");
        attacks.push(Attack::token(name, with(&changed)));
    }
    let half = bytes.len() / 2;
    let order = P256_ORDER.as_slice();
    for (name, signature) in [
        ("a signature with a byte more", [&bytes[..], &[0]].concat()),
        (
            "a signature with a byte before it",
            [&[0], &bytes[..]].concat(),
        ),
        ("a signature twice", [&bytes[..], &bytes].concat()),
        // CVE-2022-21449.
        ("r = s = 0", vec![0; bytes.len()]),
        ("r = 0", [&vec![0; half][..], &bytes[half..]].concat()),
        ("s = 0", [&bytes[..half], &vec![0; half][..]].concat()),
        ("r = n", [order, &bytes[half..]].concat()),
        ("s = n", [&bytes[..half], order].concat()),
        ("all ones", vec![0xff; bytes.len()]),
        ("a signature in DER", der(&bytes)),
        ("512 bytes", vec![1; 512]),
        ("513 bytes", vec![1; 513]),
    ] {
        attacks.push(Attack::token(name, with(&signature)));
    }
    let other = keys.token().claim("sub", "user-2").sign();
    let (_, stolen) = other.rsplit_once('.').unwrap_or_default();
    attacks.push(Attack::token(
        "the signature of another token",
        format!("{input}.{stolen}"),
    ));
    attacks
}

/// The order of P-256 (SEC 2 §2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Writes two numbers as ASN.1 does for ECDSA.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let sign = number.first().is_some_and(|first| first & 0x80 != 0);
        let number = [if sign { &[0_u8][..] } else { &[] }, number].concat();
        let length = u8::try_from(number.len()).unwrap_or(u8::MAX);
        [&[2, length], &number[..]].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [integer(r), integer(s)].concat();
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    [&[0x30, length], &body[..]].concat()
}

/// Work that grows with what a stranger sends.
fn sizes(keys: &TestKeys) -> Vec<Attack> {
    let header = |text: String| keys.sign_text(&text, &keys.token().claims_text());
    let names: Vec<_> = (0..700).map(|index| format!("\"m{index}\":0")).collect();
    vec![
        Attack::token(
            "a token of 9 KiB",
            keys.token().claim("x", "x".repeat(9 * 1024)).sign(),
        ),
        Attack::token(
            "a header of 9 KiB",
            keys.token().header("x", "x".repeat(9 * 1024)).sign(),
        ),
        // CVE-2025-30204.
        Attack::token("9000 dots", ".".repeat(9_000)),
        Attack::token("a header of dots", format!("{}.x.y", ".".repeat(4_000))),
        Attack::token(
            "a header nested 1500 deep",
            header(format!(
                "{{\"a\":{}{}}}",
                "[".repeat(1_500),
                "]".repeat(1_500)
            )),
        ),
        Attack::token("claims nested 1500 deep", keys.token().sign_nested(1_500)),
        Attack::token(
            "a header with 700 members",
            header(format!("{{\"alg\":\"HS256\",{}}}", names.join(","))),
        ),
    ]
}

impl super::TokenBuilder<'_> {
    fn sign_nested(&self, depth: usize) -> String {
        let claims = self.claims_text();
        let claims = claims.trim_end_matches('}');
        let nested = format!(
            "{claims},\"deep\":{}{}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let header = serde_json::Value::Object(self.header.clone()).to_string();
        self.keys.sign_text(&header, &nested)
    }
}
