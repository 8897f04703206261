//! Each slot takes its own layer.

use tower_rampart::cors::CorsLayer;
use tower_rampart::stack::Rampart;

fn main() {
    let cors = CorsLayer::any_origin().build().unwrap();
    let _ = Rampart::builder().csrf(cors);
}
