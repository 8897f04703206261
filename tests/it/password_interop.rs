//! Hashes of other programs here, and ours there, where they are installed.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tower_rampart::password::{Password, PasswordHasher, PreHash, Verified};

use crate::services::skipped;

const PASSWORDS: [&str; 4] = [
    "correct horse battery staple",
    "pâsswörd🔒",
    "x",
    "žluťoučký kůň úpěl ďábelské ódy, a to pořád dokola, až do rána bílého a déle",
];

/// Hashes each line, with each program; then verifies ours.
const PYTHON: &str = r#"
import json, sys, warnings
warnings.filterwarnings("ignore")
import bcrypt
from passlib.hash import bcrypt_sha256
from django.conf import settings
settings.configure()
import django
django.setup()
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher, BCryptPasswordHasher

asked = json.load(sys.stdin)
theirs = []
for text in asked["passwords"]:
    first = text.encode()[:72]
    plain = bcrypt.hashpw(first, bcrypt.gensalt(4)).decode()
    salt = bcrypt.gensalt(4)
    theirs += [[text, hashed] for hashed in (
        plain,
        plain.replace("$2b$", "$2y$", 1),
        plain.replace("$2b$", "$2a$", 1),
        "{bcrypt}" + plain.replace("$2b$", "$2a$", 1),
        bcrypt_sha256.using(rounds=4).hash(text),
        bcrypt_sha256.using(rounds=4, version=1).hash(text),
        BCryptSHA256PasswordHasher().encode(text, salt),
        BCryptPasswordHasher().encode(text, salt),
    )]
def verify(text, hashed):
    if hashed.startswith("$bcrypt-sha256$"):
        return bcrypt_sha256.verify(text, hashed)
    return bcrypt.checkpw(text.encode(), hashed.encode())
ours = [verify(text, hashed) for text, hashed in asked["ours"]]
print(json.dumps({"theirs": theirs, "ours": ours}))
"#;

#[test]
fn passlib_bcrypt_and_django_agree() {
    let python = |script: &str| {
        let mut command = Command::new("python3");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    };
    let found = python("import bcrypt, django, passlib")
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        return skipped("passlib");
    }
    let password = |text: &str| Password::new(text).expect("short enough");
    let hasher = |prehash| {
        let builder = PasswordHasher::builder().cost(10).prehash(prehash);
        builder.build().expect("valid")
    };
    let (condensed, plain) = (hasher(PreHash::SaltHmac), hasher(PreHash::None));
    let mut ours = Vec::new();
    for text in PASSWORDS {
        let hashed = condensed.hash(&password(text)).expect("hashed");
        ours.extend([json!([text, hashed]), json!([format!("{text}x"), hashed])]);
        if let Ok(hashed) = plain.hash(&password(text)) {
            ours.extend([json!([text, hashed]), json!([format!("{text}x"), hashed])]);
        }
    }
    let asked = json!({"passwords": PASSWORDS, "ours": ours});
    let mut child = python(PYTHON).spawn().expect("it was there");
    let mut input = child.stdin.take().expect("piped");
    input
        .write_all(asked.to_string().as_bytes())
        .expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let theirs = answer["theirs"].as_array().expect("a list");
    assert_eq!(theirs.len(), 8 * PASSWORDS.len());
    for row in theirs {
        let (text, hashed) = (
            row[0].as_str().expect("text"),
            row[1].as_str().expect("text"),
        );
        let verified = condensed.verify(&password(text), Some(hashed));
        let Verified::Match { rehash: Some(_) } = verified else {
            panic!("{text:?} is the password of {hashed}");
        };
        let wrong = condensed.verify(&password("another"), Some(hashed));
        assert!(matches!(wrong, Verified::Mismatch { .. }), "{hashed}");
    }
    let answers = answer["ours"]
        .as_array()
        .expect("a list")
        .iter()
        .enumerate();
    for (index, verified) in answers {
        assert_eq!(*verified, json!(index % 2 == 0), "{}", ours[index]);
    }
}
