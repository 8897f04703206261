//! Counts what the library tells the log.

use std::cell::Cell;
use std::sync::Once;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

/// Counts by thread, since tests run beside each other.
struct Counting;

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "tower_rampart"
    }

    fn new_span(&self, _span: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {
        SEEN.with(|seen| seen.set(seen.get() + 1));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// Returns how many events this thread has caused since it was asked last.
pub(crate) fn events() -> usize {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let installed = tracing::subscriber::set_global_default(Counting);
        installed.expect("nobody else installs one");
        // What was asked for before is asked for again.
        tracing::callsite::rebuild_interest_cache();
    });
    SEEN.with(Cell::take)
}
