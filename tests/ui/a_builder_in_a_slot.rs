//! A slot takes what was built.

use tower_rampart::cors::CorsLayer;
use tower_rampart::stack::Rampart;

fn main() {
    let _ = Rampart::builder().cors(CorsLayer::any_origin());
}
