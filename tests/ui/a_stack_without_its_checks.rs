//! The stack is checked before it is used.

use axum::Router;
use tower_rampart::stack::{Rampart, RampartExt};

fn main() {
    let _ = Router::new().rampart(&Rampart::builder());
}
