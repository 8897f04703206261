//! What it costs: allocations, and changes while requests run.
