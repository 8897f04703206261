//! Which passwords may be set.

use serde_json::json;

use crate::server::{Server, refused};

#[tokio::test]
async fn weak_passwords_are_refused_with_a_reason() {
    let lists = tempfile::tempdir().expect("a folder");
    let list = |name: &str, text: &str| {
        let path = lists.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("a name").to_owned()
    };
    let forbidden = list("forbidden", "ramshackle gallery\n");
    let leaked = list("leaked", "B9C3A9736A95F2B4BD957183FD1A1DBD0E1E86AB:17\r\n");
    let server = Server::start_with(&[
        ("PASSWORD_BLOCKLIST_FILE", &forbidden),
        ("PASSWORD_BREACH_FILE", &leaked),
    ]);
    for (password, reason) in [
        ("short", "too_short"),
        ("password12345678", "common"),
        ("aaaaaaaaaaaaaaaaaaaa", "repetitive"),
        ("violet\u{0}kettle parade", "control_character"),
        (&"x y".repeat(400), "too_long"),
        ("5unshine-Sunsh1ne", "common"),
        ("R4mshackle Gallery", "common"),
        ("marmalade on a bicycle", "breached"),
    ] {
        let answer = server
            .post(
                "/api/auth/register",
                json!({"email": "ann@example.com", "password": password}),
            )
            .await;
        let problem = refused(answer, 422, "password_rejected").await;
        assert_eq!(problem["reason"], reason);
    }
}
