//! What clients owe who have no place in the table: an upper bound.

use std::sync::atomic::{AtomicU64, Ordering};

/// Four rows of debts, each client in one cell of each row. A cell holds the
/// largest debt of all who share it, and never less than any of them owes; the
/// least of a client's four cells is what it owes at most.
pub(super) struct Sketch {
    cells: Box<[AtomicU64]>,
}

const ROWS: usize = 4;

impl Sketch {
    /// Makes rows of a power of two.
    pub(super) fn new(row: usize) -> Self {
        let row = row.next_power_of_two();
        Self {
            cells: (0..row * ROWS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Keeps a debt.
    pub(super) fn raise(&self, hash: u64, owed: u64) {
        for cell in self.cells(hash) {
            cell.fetch_max(owed, Ordering::Relaxed);
        }
    }

    /// Returns the most that a client can owe, if it can owe anything.
    pub(super) fn at_most(&self, hash: u64) -> Option<u64> {
        let cells = self.cells(hash).map(|cell| cell.load(Ordering::Relaxed));
        cells.min().filter(|owed| *owed > 0)
    }

    fn cells(&self, hash: u64) -> impl Iterator<Item = &AtomicU64> {
        let row = self.cells.len() / ROWS;
        let mask = row as u64 - 1;
        // The hash is keyed and random, so other bits are another hash.
        let second = (hash >> 32) | 1;
        (0..ROWS).map(move |index| {
            let cell = hash.wrapping_add(second.wrapping_mul(index as u64)) & mask;
            let cell = usize::try_from(cell).expect("the mask is below a length");
            &self.cells[index * row + cell]
        })
    }
}
