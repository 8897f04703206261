//! The audit log: what is in it, and that it cannot be changed without notice.

use std::process::Output;

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::server::{PASSWORD, Server, refused};

pub(crate) fn verify(server: &Server) -> (Option<i32>, Value) {
    let Output { status, stdout, .. } = server.command(&["audit", "verify", "--json"], &[]);
    (
        status.code(),
        serde_json::from_slice(&stdout).expect("JSON"),
    )
}

/// Waits until an event is in the log.
pub(crate) async fn logged(server: &Server, admin: &str, event: &str) -> Value {
    for _ in 0..200 {
        let found: Value = server
            .get(&format!("/api/admin/audit?event={event}"), admin)
            .await
            .json()
            .await
            .expect("JSON");
        if let Some(row) = found["items"].get(0) {
            return row.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{event} is not in the log");
}

#[tokio::test]
async fn what_happens_is_in_the_log_with_who_and_from_where() {
    let server = Server::start();
    let admin = server.admin(&[]).await;
    server.register("ann@example.com").await;
    assert_eq!(
        server
            .sign_in("ann@example.com", "violet kettle pirate")
            .await,
        StatusCode::UNAUTHORIZED
    );
    let failed = logged(&server, &admin, "authn_login_fail").await;
    assert_eq!(failed["detail"]["reason"], "wrong_password");
    assert_eq!(
        (&failed["address"], &failed["level"]),
        (&json!("127.0.0.1"), &json!("WARN"))
    );
    assert_eq!(failed["request_id"].as_str().map(str::len), Some(32));
    for event in [
        "sys_startup",
        "user_created",
        "authn_login_success",
        "session_created",
        "authz_admin",
    ] {
        logged(&server, &admin, event).await;
    }
    let answer: Value = server
        .get("/api/admin/audit/verify", &admin)
        .await
        .json()
        .await
        .expect("JSON");
    assert_eq!(answer["ok"], true, "{answer}");
    let all: Value = server
        .get("/api/admin/audit", &admin)
        .await
        .json()
        .await
        .expect("JSON");
    assert!(
        !all.to_string().contains(PASSWORD) && !all.to_string().contains("ann@example.com"),
        "{all}"
    );

    let user = crate::server::text(&server.login("ann@example.com").await, "access_token");
    for path in [
        "/api/admin/audit",
        "/api/admin/audit/verify",
        "/api/admin/users",
        "/api/admin/incidents",
    ] {
        refused(server.get(path, &user).await, 403, "insufficient_role").await;
        let nobody = server
            .request(reqwest::Method::GET, path)
            .send()
            .await
            .expect("an answer");
        assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    }
    refused(
        server.get("/api/admin/audit?cursor=x", &admin).await,
        400,
        "invalid_query",
    )
    .await;
}

/// Does to a log what somebody with the file could, and expects a row to be named.
#[track_caller]
fn check_noticed(statements: &'static [&'static str], broken_at: i64, problem: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut server = Server::start();
        for number in 0..4 {
            server.register(&format!("user{number}@example.com")).await;
        }
        // The start and four accounts; nothing is written any more once the server is gone.
        crate::server::within(5, async || verify(&server).1["rows"] == 5).await;
        server.stop();
        let (status, verdict) = verify(&server);
        assert_eq!(
            (status, &verdict["ok"]),
            (Some(0), &json!(true)),
            "{verdict}"
        );
        let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
        let pool = SqlitePool::connect_with(file).await.expect("a database");
        for table in [
            "UPDATE audit SET event = 'x' WHERE seq = 2",
            "DELETE FROM audit WHERE seq = 2",
        ] {
            let refused = sqlx::query(table)
                .execute(&pool)
                .await
                .expect_err("append-only");
            assert!(refused.to_string().contains("append-only"), "{refused}");
        }
        for trigger in [
            "DROP TRIGGER audit_is_not_updated",
            "DROP TRIGGER audit_is_not_deleted",
        ] {
            sqlx::query(trigger).execute(&pool).await.expect("dropped");
        }
        for statement in statements {
            sqlx::query(*statement).execute(&pool).await.expect("done");
        }
        pool.close().await;
        let (status, verdict) = verify(&server);
        assert_eq!(status, Some(1), "{verdict}");
        assert_eq!(verdict["broken_at"], broken_at, "{verdict}");
        assert!(
            verdict["problem"]
                .as_str()
                .is_some_and(|text| text.contains(problem)),
            "{verdict}"
        );
    });
}

#[tokio::test]
async fn a_cut_tail_is_noticed_however_long_the_log_grows_after_it() {
    let server = Server::start();
    for number in 0..4 {
        server.register(&format!("user{number}@example.com")).await;
    }
    crate::server::within(5, async || verify(&server).1["rows"] == 5).await;
    let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
    let pool = SqlitePool::connect_with(file).await.expect("a database");
    for statement in [
        "DROP TRIGGER audit_is_not_deleted",
        "DELETE FROM audit WHERE seq >= 4",
        "UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)",
    ] {
        sqlx::query(statement).execute(&pool).await.expect("done");
    }
    pool.close().await;
    for number in 0..6 {
        server.register(&format!("other{number}@example.com")).await;
    }
    // Three, one that says that the end was not ours, and six.
    crate::server::within(5, async || verify(&server).1["rows"] == 10).await;
    let (status, verdict) = verify(&server);
    assert_eq!(
        (status, &verdict["broken_at"]),
        (Some(1), &json!(5)),
        "{verdict}"
    );
    assert!(server.log().contains("not in the audit log any more"));
}

#[test]
fn an_edited_row_is_noticed() {
    check_noticed(
        &["UPDATE audit SET actor = 'nobody' WHERE seq = 3"],
        3,
        "row 3 was changed",
    );
}

#[test]
fn a_deleted_row_is_noticed() {
    check_noticed(&["DELETE FROM audit WHERE seq = 3"], 3, "row 3 is missing");
}

#[test]
fn reordered_rows_are_noticed() {
    check_noticed(
        &[
            "UPDATE audit SET seq = -1 WHERE seq = 3",
            "UPDATE audit SET seq = 3 WHERE seq = 4",
            "UPDATE audit SET seq = 4 WHERE seq = -1",
        ],
        3,
        "row 3 was changed",
    );
}

#[tokio::test]
async fn a_head_that_is_gone_is_noticed_and_stops_nobody() {
    let mut server = Server::start();
    server.register("ann@example.com").await;
    // What still waits to be written would put it back.
    crate::server::within(5, async || verify(&server).1["rows"] == 2).await;
    server.stop();
    let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
    let pool = SqlitePool::connect_with(file).await.expect("a database");
    sqlx::query("DELETE FROM audit_head")
        .execute(&pool)
        .await
        .expect("done");
    pool.close().await;
    let (status, verdict) = verify(&server);
    assert_eq!(
        (status, &verdict["ok"]),
        (Some(1), &json!(false)),
        "{verdict}"
    );
    assert!(
        verdict["problem"]
            .as_str()
            .is_some_and(|text| text.contains("the end is missing")),
        "{verdict}"
    );
    let disabled = server.command(&["users", "disable", "ann@example.com"], &[]);
    assert!(disabled.status.success(), "{disabled:?}");
    server.restart();
    // It is back, and that it was gone stays in the log.
    let (status, verdict) = verify(&server);
    assert_eq!(status, Some(0), "{verdict}");
    let admin = server.admin(&[]).await;
    let told = logged(&server, &admin, "sys_monitor_disabled").await;
    assert_eq!(told["detail"]["reason"], "audit_head_missing", "{told}");
    assert_eq!(
        (&told["seq"], &told["level"]),
        (&json!(3), &json!("CRITICAL")),
        "{told}"
    );
}

#[test]
fn a_cut_tail_is_noticed() {
    check_noticed(
        &["DELETE FROM audit WHERE seq >= 4"],
        4,
        "are missing from the end",
    );
}

#[test]
fn a_cut_tail_is_noticed_although_the_head_was_moved_too() {
    check_noticed(
        &[
            "DELETE FROM audit WHERE seq >= 4",
            "UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)",
        ],
        4,
        "which this machine wrote",
    );
}
