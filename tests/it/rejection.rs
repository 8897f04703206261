//! How refusals look.

use http::StatusCode;
use tower::Layer;
use tower_rampart::context::ContextLayer;
use tower_rampart::csrf::CsrfLayer;
use tower_rampart::rejection::{PlainText, Rejection, RejectionCode};

use crate::support::{Answer, Hello, call, request};

async fn refused(context: ContextLayer) -> Answer {
    let csrf = CsrfLayer::builder().build().expect("valid");
    let service = context.layer(csrf.layer(Hello::default()));
    call(
        service,
        request(
            "POST",
            "/",
            &[
                ("origin", "https://evil.example"),
                ("x-request-id", "forged"),
            ],
        ),
    )
    .await
}

#[tokio::test]
async fn a_refusal_is_a_problem_document_that_names_the_request() {
    let answer = refused(ContextLayer::new()).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let id = answer
        .header("x-request-id")
        .expect("an identifier")
        .to_owned();
    assert_eq!(id.len(), 32, "a forged identifier is not repeated");
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
            "code": "cross_site_request",
            "detail": "a page of another site may not do this",
            "request_id": id,
        })
    );
}

#[tokio::test]
async fn all_layers_share_one_replaced_rendering() {
    let answer = refused(ContextLayer::new().render(PlainText)).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        answer.body,
        "cross_site_request: a page of another site may not do this\n"
    );
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[test]
fn waiting_for_retry_after_is_always_long_enough() {
    let head = request("GET", "/", &[]).into_parts().0;
    for (millis, expected) in [
        (0, "1"),
        (1, "1"),
        (1_000, "1"),
        (1_001, "2"),
        (59_999, "60"),
    ] {
        let rejection = Rejection::new(StatusCode::TOO_MANY_REQUESTS, RejectionCode::RateLimited);
        let response = rejection
            .retry_after(std::time::Duration::from_millis(millis))
            .into_response(&head);
        assert_eq!(response.headers()["retry-after"], expected, "{millis} ms");
    }
}
