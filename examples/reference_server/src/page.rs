//! The page, carried inside the program.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::app::App;

/// Scripts and styles from this server only, nothing inline; pictures also
/// from memory, where the page puts what it fetched.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

macro_rules! assets {
    ($($path:literal => $file:literal, $media_type:literal;)*) => {
        Router::new()$(.route($path, get(|| async { asset(include_str!(concat!("../web/assets/", $file)), $media_type) })))*
    };
}

/// The page and its assets.
pub(crate) fn routes() -> Router<App> {
    let page = || async { asset(index(), "text/html; charset=utf-8") };
    let assets = assets! {
        "/assets/style.css" => "style.css", "text/css; charset=utf-8";
        "/assets/app.js" => "app.js", "text/javascript; charset=utf-8";
        "/assets/api.js" => "api.js", "text/javascript; charset=utf-8";
        "/assets/dom.js" => "dom.js", "text/javascript; charset=utf-8";
        "/assets/icon.svg" => "icon.svg", "image/svg+xml";
        "/assets/dialogs.js" => "dialogs.js", "text/javascript; charset=utf-8";
        "/assets/incidents.js" => "incidents.js", "text/javascript; charset=utf-8";
        "/assets/gallery.js" => "gallery.js", "text/javascript; charset=utf-8";
    };
    assets.route("/", get(page))
}

/// The page as it is served here, where the API is on the same origin. The file
/// itself names the API's address, for when it is served elsewhere.
fn index() -> String {
    include_str!("../web/index.html").replace("content=\"http://localhost:8080\"", "content=\"\"")
}

fn asset(text: impl IntoResponse, media_type: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
