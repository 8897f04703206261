//! Tokens of other libraries verify here, and ours there. Runs where Python
//! with PyJWT, or Node.js with jose, is installed; `NODE_PATH` may say where.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tower_rampart::clock::{Clock, SystemClock};
use tower_rampart::jwt::{KeySet, SigningKey, Verifier};
use tower_rampart::secret::Secret;

const SECRET: &str = "kQ3v-9ZxT7mB2nLw8RfY5cHj1DpGsAe0-uWzXoVi";

/// Verifies `token` and answers with one of its own.
const PYTHON: &str = r#"
import json, sys, jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
job = json.load(sys.stdin)
key = job["secret"]
public = key
if job["alg"] != "HS256":
    key = load_pem_private_key(key.encode(), None)
    public = key.public_key()
claims = jwt.decode(job["token"], public, algorithms=[job["alg"]], audience="api", issuer="https://api.example")
assert claims["sub"] == "user-1", claims
print(jwt.encode(claims | {"sub": "theirs"}, key, algorithm=job["alg"], headers={"kid": job["kid"], "typ": "at+jwt"}))
"#;

const NODE: &str = r#"
const jose = require("jose");
const job = JSON.parse(require("fs").readFileSync(0, "utf8"));
(async () => {
  let key = new TextEncoder().encode(job.secret), open = key;
  if (job.alg !== "HS256") {
    key = await jose.importPKCS8(job.secret, job.alg);
    open = await jose.importJWK(job.jwk, job.alg);
  }
  const { payload } = await jose.jwtVerify(job.token, open, { audience: "api", issuer: "https://api.example", typ: "at+jwt" });
  if (payload.sub !== "user-1") throw new Error(payload.sub);
  const header = { alg: job.alg, kid: job.kid, typ: "at+jwt" };
  console.log(await new jose.SignJWT({ ...payload, sub: "theirs" }).setProtectedHeader(header).sign(key));
})().catch((error) => { console.error(error); process.exit(1); });
"#;

fn keys() -> [(SigningKey, &'static str); 3] {
    let pem = |pem: &str| SigningKey::from_pem(pem).expect("a key");
    let p256 = include_str!("fixtures/p256.pkcs8.pem");
    let secret = Secret::new(SECRET.to_owned());
    [
        (SigningKey::hs256("shared", &secret).expect("a key"), SECRET),
        (pem(super::ED25519), super::ED25519),
        (pem(p256), p256),
    ]
}

/// Says that something is missing; an error where it must not be.
fn skip(what: &str) {
    let required = std::env::var("RAMPART_TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required
            .split(',')
            .any(|name| name.eq_ignore_ascii_case(what)),
        "{what} is required, and not installed"
    );
    let _ = writeln!(std::io::stderr(), "skipped: no {what}");
}

fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let quiet = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

fn check(program: &str, arguments: &[&str]) {
    for (key, secret) in keys() {
        let verifying = key.verifying_key();
        let (alg, kid) = (
            verifying.algorithm().to_string(),
            verifying.kid().to_owned(),
        );
        let jwk: Value = verifying
            .to_jwk()
            .map(|jwk| serde_json::from_str(&jwk).expect("JSON"))
            .unwrap_or_default();
        let keys = KeySet::builder().signing(key).build().expect("one key");
        let now = SystemClock.unix_now();
        let claims = json!({
            "iss": "https://api.example", "aud": "api", "sub": "user-1",
            "iat": now.as_u64(), "exp": now.as_u64() + 600,
        });
        let claims = claims.as_object().expect("an object");
        let token = keys.sign("at+jwt", claims, now).expect("signed");
        let job = json!({"alg": alg, "kid": kid, "jwk": jwk, "secret": secret, "token": token});

        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it is installed");
        let mut input = process.stdin.take().expect("piped");
        input
            .write_all(job.to_string().as_bytes())
            .expect("it reads");
        drop(input);
        let output = process.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{program} refuses our {alg}");
        let theirs = String::from_utf8(output.stdout).expect("a token");
        let verifier = Verifier::builder(keys)
            .issuer("https://api.example")
            .audience("api");
        let verifier = verifier.build().expect("valid");
        let claims = verifier.verify(theirs.trim(), now);
        let claims = claims.unwrap_or_else(|error| panic!("{alg} of {program}: {error}"));
        assert_eq!(claims.subject(), "theirs");
    }
}

#[test]
fn pyjwt_and_this_crate_believe_each_other() {
    if is_installed("python3", &["-c", "import jwt, cryptography"]) {
        check("python3", &["-c", PYTHON]);
    } else {
        skip("PyJWT");
    }
}

#[test]
fn jose_and_this_crate_believe_each_other() {
    if is_installed("node", &["-e", "require('jose')"]) {
        check("node", &["-e", NODE]);
    } else {
        skip("jose");
    }
}
