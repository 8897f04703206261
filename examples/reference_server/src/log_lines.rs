//! Where lines of the log go.

use std::io::{self, Write};

use metrics::counter;

/// Standard error. When it is full, or nobody reads it any more, lines are lost and
/// counted: a log is no reason to fail a request, or to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if io::stderr().lock().write_all(bytes).is_err() {
            counter!("rampart_log_lost_total").increment(1);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
