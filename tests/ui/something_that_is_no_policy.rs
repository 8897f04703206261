//! A gate asks a policy.

use tower_rampart::cors::CorsLayer;
use tower_rampart::gate::GateLayer;

fn main() {
    let _ = GateLayer::new(CorsLayer::any_origin());
}
