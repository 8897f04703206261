//! An application in which both providers of jsonwebtoken are switched on, as
//! its dependencies may do without being asked. jsonwebtoken itself then cannot
//! tell which to use; this crate must not notice.

use std::process::ExitCode;

use tower_rampart::jwt::Verifier;
use tower_rampart::jwt::testing::TestKeys;

fn main() -> ExitCode {
    // Without a choice, jsonwebtoken panics at its first use; that is what this
    // crate must be immune to.
    std::panic::set_hook(Box::new(|_| {}));
    let theirs = std::panic::catch_unwind(|| {
        let key = jsonwebtoken::EncodingKey::from_secret(&[7; 32]);
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &[("sub", "u")], &key).is_ok()
    });
    let _ = std::panic::take_hook();
    if theirs.is_ok() {
        eprintln!("jsonwebtoken chose a provider; this no longer tests anything");
        return ExitCode::FAILURE;
    }
    for (name, keys) in [
        ("HS256", TestKeys::hs256()),
        ("ES256", TestKeys::es256()),
        ("EdDSA", TestKeys::ed25519()),
    ] {
        let verifier = Verifier::builder(keys.key_set())
            .issuer(keys.issuer())
            .audience(keys.audience())
            .build()
            .expect("valid");
        let token = keys.token().sign();
        verifier.verify(&token, keys.now()).expect("genuine");
        let forged = format!("{}AAAA", &token[..token.len() - 4]);
        assert!(verifier.verify(&forged, keys.now()).is_err(), "{name}");
        println!("{name}: signed, verified, and a forgery refused");
    }
    ExitCode::SUCCESS
}
