//! One renewal at a time for each token: whoever presents the same one
//! meanwhile gets the same answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::store::RefreshId;

type Key = (RefreshId, u64);

/// A renewal, and how many wait for it.
type Flight<T> = (Arc<OnceCell<T>>, usize);

#[derive(Debug)]
pub(super) struct Flights<T>(Mutex<HashMap<Key, Flight<T>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Flights<T> {
    /// Does the work, or waits for whoever does. If they are dropped before it
    /// is done, one of those who wait begins again.
    pub(super) async fn join(&self, key: Key, work: impl Future<Output = T>) -> T {
        let seat = self.seat(key);
        seat.flight.get_or_init(|| work).await.clone()
    }

    fn seat(&self, key: Key) -> Seat<'_, T> {
        let mut flights = self.flights();
        let (flight, seats) = flights.entry(key).or_default();
        *seats += 1;
        Seat {
            flight: Arc::clone(flight),
            flights: self,
            key,
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Flight<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a flight. The first to leave a flight that has landed takes it
/// off the list, so that an answer is never older than the wait for it; so does
/// the last to leave one that has not.
struct Seat<'a, T: Clone> {
    flights: &'a Flights<T>,
    key: Key,
    flight: Arc<OnceCell<T>>,
}

impl<T: Clone> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.flights();
        if let Some((listed, seats)) = flights.get_mut(&self.key)
            && Arc::ptr_eq(listed, &self.flight)
        {
            *seats -= 1;
            if *seats == 0 || listed.initialized() {
                flights.remove(&self.key);
            }
        }
    }
}
