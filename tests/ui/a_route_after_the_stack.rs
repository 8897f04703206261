//! Nothing can be added outside the stack.

use axum::Router;
use axum::routing::get;
use tower_rampart::stack::{Rampart, RampartExt};

fn main() {
    let app = Router::new()
        .route("/", get(async || "guarded"))
        .rampart(&Rampart::default());
    let _ = app.route("/open", get(async || "open"));
}
