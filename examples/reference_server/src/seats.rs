//! Who is connected, and who has to go when there is no room.
//!
//! A connection that waits for its client, for the head of a request or the rest of a
//! body, costs its client nothing. When all seats are taken the one that waited longest
//! makes room, of the network that has most of those: however many somebody holds open,
//! others are served.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long until another one is asked to leave, if the first one has not.
const AGAIN: Duration = Duration::from_millis(100);

/// How much longer than others somebody may be silent who asks something, or has before: an
/// upload takes a breath, a browser comes back to its connection.
const KNOWN: Duration = Duration::from_secs(10);

/// How long a client is waited for when the process stops: for a request, and for the
/// rest of one.
const LAST_REQUEST: Duration = Duration::from_secs(1);
const LAST_BODY: Duration = Duration::from_secs(5);

/// The seats of a listener.
#[derive(Debug)]
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    seats: HashMap<u64, Arc<Seat>>,
    next: u64,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Seat {
    network: IpAddr,
    state: Mutex<State>,
    leave: Notify,
}

#[derive(Debug)]
struct State {
    /// How many requests are under way, and how many of them wait for the rest of their
    /// bodies.
    requests: usize,
    unfinished: usize,
    /// When its client sent something last, or was answered.
    moved: Instant,
    /// Whether it has been answered something.
    served: bool,
    leaving: bool,
}

/// Takes a seat for as long as it lives.
#[derive(Debug)]
pub(crate) struct Seated {
    seats: Arc<Seats>,
    number: u64,
    pub(crate) seat: Arc<Seat>,
    _permit: OwnedSemaphorePermit,
}

/// Clients of IPv6 have a /64 at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

impl Seats {
    /// So many.
    pub(crate) fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(seats)),
            taken: Mutex::default(),
        })
    }

    /// Takes a seat, when there is one.
    pub(crate) async fn take(self: &Arc<Self>, client: IpAddr) -> Seated {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.make_room();
            let freed = Arc::clone(&self.free).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(AGAIN, freed).await {
                break permit;
            }
        };
        let seat = Arc::new(Seat {
            network: network(client),
            state: Mutex::new(State {
                requests: 0,
                unfinished: 0,
                moved: Instant::now(),
                served: false,
                leaving: false,
            }),
            leave: Notify::new(),
        });
        let mut taken = self.taken();
        taken.next += 1;
        let number = taken.next;
        taken.seats.insert(number, Arc::clone(&seat));
        drop(taken);
        Seated {
            seats: Arc::clone(self),
            number,
            seat,
            _permit: permit,
        }
    }

    /// Asks one to leave, if any only waits for its client.
    fn make_room(&self) {
        let taken = self.taken();
        let waiting = taken.seats.values().filter_map(|seat| {
            let state = seat.state();
            let known = state.served || state.requests > 0;
            let credit = if known { KNOWN } else { Duration::ZERO };
            state.waits().then(|| (seat, state.moved + credit))
        });
        let waiting: Vec<_> = waiting.collect();
        let mut crowds: HashMap<IpAddr, usize> = HashMap::new();
        for (seat, _) in &waiting {
            *crowds.entry(seat.network).or_default() += 1;
        }
        let first = waiting
            .iter()
            .max_by_key(|(seat, moved)| (crowds[&seat.network], std::cmp::Reverse(*moved)));
        if let Some((seat, _)) = first {
            seat.ask_to_leave();
        }
    }

    /// Asks those to leave that wait for clients who say nothing, until nobody is there.
    pub(crate) async fn close(&self) {
        loop {
            for seat in self.taken().seats.values() {
                let state = seat.state();
                let patience = match state.requests {
                    0 => LAST_REQUEST,
                    _ => LAST_BODY,
                };
                let silent = state.waits() && state.moved.elapsed() >= patience;
                drop(state);
                if silent {
                    seat.ask_to_leave();
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn waits(&self) -> bool {
        self.requests == self.unfinished && !self.leaving
    }
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_to_leave(&self) {
        self.state().leaving = true;
        self.leave.notify_one();
    }

    /// Waits until it has to be given up.
    pub(crate) async fn left(&self) {
        self.leave.notified().await;
    }

    /// A request began; it lasts until its answer was sent.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        let mut state = self.state();
        state.requests += 1;
        state.moved = Instant::now();
        drop(state);
        Busy(Arc::clone(self))
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.seats.taken().seats.remove(&self.number);
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.served = true;
        state.moved = Instant::now();
    }
}

/// The body of a request, and whether its client is waited for.
#[derive(Debug)]
pub(crate) struct Watched {
    body: Incoming,
    seat: Arc<Seat>,
    waiting: bool,
}

impl Watched {
    pub(crate) fn new(body: Incoming, seat: Arc<Seat>) -> Self {
        Self {
            body,
            seat,
            waiting: false,
        }
    }

    fn set_waiting(&mut self, waiting: bool) {
        if waiting == self.waiting {
            return;
        }
        self.waiting = waiting;
        let mut state = self.seat.state();
        match waiting {
            true => state.unfinished += 1,
            false => state.unfinished -= 1,
        }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.set_waiting(polled.is_pending());
        if polled.is_ready() {
            self.seat.state().moved = Instant::now();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.set_waiting(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn client(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    /// Tells whether a seat was asked to leave.
    fn leaves(seated: &Seated) -> bool {
        seated.seat.state().leaving
    }

    #[tokio::test(start_paused = true)]
    async fn the_crowd_makes_room_and_whoever_waited_longest_goes_first() {
        let seats = Seats::new(4);
        let other = seats.take(client(1)).await;
        let mut crowd = Vec::new();
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            crowd.push(seats.take(client(2)).await);
        }
        let busy = crowd[0].seat.begin();
        let newcomer = tokio::spawn({
            let seats = Arc::clone(&seats);
            async move { seats.take(client(3)).await }
        });
        crowd[1].seat.left().await;
        assert!(!leaves(&other) && !leaves(&crowd[0]) && !leaves(&crowd[2]));
        drop(crowd.remove(1));
        let newcomer = newcomer.await.expect("a seat");
        drop((busy, newcomer, other));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_served_stays_and_others_wait() {
        let seats = Seats::new(1);
        let seated = seats.take(client(1)).await;
        let busy = seated.seat.begin();
        let waited = tokio::time::timeout(Duration::from_secs(60), seats.take(client(2))).await;
        assert!(waited.is_err() && !leaves(&seated));
        drop(busy);
        let next = tokio::spawn({
            let seats = Arc::clone(&seats);
            async move { seats.take(client(2)).await }
        });
        seated.seat.left().await;
        drop(seated);
        next.await.expect("a seat");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_asked_before_may_be_silent_for_longer() {
        let seats = Seats::new(2);
        let known = seats.take(client(1)).await;
        drop(known.seat.begin());
        tokio::time::advance(KNOWN / 2).await;
        let stranger = seats.take(client(1)).await;
        tokio::time::advance(KNOWN / 4).await;
        seats.make_room();
        assert!(leaves(&stranger) && !leaves(&known));
        drop(stranger);
        tokio::time::advance(KNOWN / 2).await;
        let stranger = seats.take(client(1)).await;
        seats.make_room();
        assert!(leaves(&known) && !leaves(&stranger));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_takes_a_breath_is_not_cut_off_for_the_silent() {
        let seats = Seats::new(3);
        let upload = seats.take(client(1)).await;
        let request = upload.seat.begin();
        upload.seat.state().unfinished = 1;
        tokio::time::advance(Duration::from_millis(50)).await;
        let silent = [seats.take(client(1)).await, seats.take(client(1)).await];
        seats.make_room();
        assert!(leaves(&silent[0]) || leaves(&silent[1]));
        assert!(!leaves(&upload));
        upload.seat.state().unfinished = 0;
        drop(request);
    }

    #[test]
    fn a_network_is_what_one_client_has() {
        let one = network("2001:db8::1".parse().expect("an address"));
        let other = network("2001:db8::ffff:0:0:2".parse().expect("an address"));
        assert_eq!(one, other);
        let mapped = network("::ffff:192.0.2.1".parse().expect("an address"));
        assert_eq!(mapped, client(1));
    }
}
