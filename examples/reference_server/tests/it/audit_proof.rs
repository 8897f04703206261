//! Logs that somebody wrote who can change the database, and has no secret.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::audit::{logged, verify};
use crate::server::Server;

/// Writes a log of one's own: the rows that are there, what `change` makes of the last one
/// or adds behind it, and an end that fits.
async fn forge(server: &Server, change: impl Fn(&mut Vec<Vec<Value>>)) {
    let file = SqliteConnectOptions::new().filename(server.data.path().join("rampart.db"));
    let pool = SqlitePool::connect_with(file).await.expect("a database");
    let members = "SELECT json_array(seq, at, event, level, actor, subject, session, incident, \
                   request_id, address, detail) FROM audit ORDER BY seq";
    let rows: Vec<String> = sqlx::query_scalar(members)
        .fetch_all(&pool)
        .await
        .expect("rows");
    let mut rows: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| serde_json::from_str(row).expect("JSON"))
        .collect();
    change(&mut rows);
    for statement in ["DROP TRIGGER audit_is_not_deleted", "DELETE FROM audit"] {
        sqlx::query(statement).execute(&pool).await.expect("done");
    }
    let mut last = String::new();
    for row in &rows {
        let chained: Vec<_> = std::iter::once(json!(last)).chain(row.clone()).collect();
        let hash = hex(&Sha256::digest(json!(chained).to_string()));
        sqlx::query(
            "INSERT INTO audit SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, \
             value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, $2, $3 FROM (SELECT $1 AS value)",
        )
        .bind(json!(row).to_string())
        .bind(&last)
        .bind(&hash)
        .execute(&pool)
        .await
        .expect("inserted");
        last = hash;
    }
    sqlx::query("UPDATE audit_head SET seq = $1, hash = $2")
        .bind(rows.len() as i64)
        .bind(&last)
        .execute(&pool)
        .await
        .expect("done");
    pool.close().await;
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn stopped_with_accounts() -> Server {
    let mut server = Server::start();
    for number in 0..4 {
        server.register(&format!("user{number}@example.com")).await;
    }
    crate::server::within(5, async || verify(&server).1["rows"] == 5).await;
    server.stop();
    server
}

#[tokio::test]
async fn a_log_that_is_written_anew_as_it_was_is_the_same_log() {
    let server = stopped_with_accounts().await;
    forge(&server, |_| ()).await;
    let (status, verdict) = verify(&server);
    assert_eq!(
        (status, &verdict["proved"]),
        (Some(0), &json!(true)),
        "{verdict}"
    );
    assert_eq!(verdict["remembered"], 5);
}

#[tokio::test]
async fn a_row_that_somebody_added_with_an_end_that_fits_is_noticed() {
    let mut server = stopped_with_accounts().await;
    forge(&server, |rows| {
        let mut row = rows[4].clone();
        row[0] = json!(6);
        row[2] = json!("authz_admin");
        rows.push(row);
    })
    .await;
    let (status, verdict) = verify(&server);
    assert_eq!(
        (status, &verdict["proved"]),
        (Some(1), &json!(false)),
        "{verdict}"
    );
    assert!(
        verdict["problem"]
            .as_str()
            .is_some_and(|text| text.contains("the end is not proved"))
    );
    // A server that goes on with it says so first, and for good.
    server.restart();
    let admin = server.admin(&[]).await;
    let told = logged(&server, &admin, "sys_monitor_disabled").await;
    assert_eq!(
        (&told["seq"], &told["detail"]["reason"]),
        (&json!(7), &json!("audit_head_unproved")),
        "{told}"
    );
    let (status, verdict) = verify(&server);
    assert_eq!(
        (status, &verdict["proved"]),
        (Some(0), &json!(true)),
        "{verdict}"
    );
}

#[tokio::test]
async fn a_log_that_somebody_wrote_anew_is_noticed_although_no_end_is_remembered() {
    let server = stopped_with_accounts().await;
    forge(&server, |rows| rows[2][9] = json!("203.0.113.9")).await;
    std::fs::remove_file(server.data.path().join("audit-head")).expect("removed");
    let (status, verdict) = verify(&server);
    assert_eq!(
        (status, &verdict["proved"]),
        (Some(1), &json!(false)),
        "{verdict}"
    );
    assert_eq!(verdict["remembered"], Value::Null);
}

#[tokio::test]
async fn what_could_not_be_looked_at_is_said() {
    let mut server = stopped_with_accounts().await;
    let told = |settings: &[(&str, &str)]| {
        let output = server.command(&["audit", "verify"], settings);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.code(),
            text + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (status, text) = told(&[]);
    assert_eq!(status, Some(0));
    assert!(
        text.ends_with("this machine remembers row 5 as its last one\n"),
        "{text}"
    );
    let other = [("SECRET_KEY", crate::attacks::SECRET)];
    let (status, text) = told(&other);
    assert_eq!(status, Some(0));
    assert!(
        text.contains("cannot be told without the SECRET_KEY"),
        "{text}"
    );
    std::fs::remove_file(server.data.path().join("audit-head")).expect("removed");
    assert!(told(&[]).1.contains("this machine remembers no row"));

    // Another secret proves what follows, and the one before it what was.
    let secret = std::fs::read_to_string(server.data.path().join("secret-key")).expect("a secret");
    let both = [
        ("SECRET_KEY", crate::attacks::SECRET),
        ("SECRET_KEY_PREVIOUS", secret.trim()),
    ];
    server.restart_with(&both);
    let (status, verdict) = {
        let output = server.command(&["audit", "verify", "--json"], &both);
        let verdict: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), verdict)
    };
    assert_eq!(
        (status, &verdict["proved"], &verdict["rows"]),
        (Some(0), &json!(true), &json!(6))
    );
}
