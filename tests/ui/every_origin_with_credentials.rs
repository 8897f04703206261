//! Credentials are for a list of origins.

use tower_rampart::cors::CorsLayer;

fn main() {
    let _ = CorsLayer::credentialed("*");
}
