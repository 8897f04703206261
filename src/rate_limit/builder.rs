//! The settings of [`RateLimitLayer`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{request, response};
use ipnet::IpNet;

use super::check::{Asks, Rules, WithoutAddress};
use super::counting::Counting;
use super::error::{ConfigError, Problem};
use super::fields::Fields;
use super::handle::RateLimitHandle;
use super::key::Key;
use super::layer::RateLimitLayer;
use super::limiter::{Limit, RateLimiter, Strikes};
use super::quota::Quota;
use super::rate::Rate;
use super::stats::Tally;
use super::store::Memory;
use super::windows::Windows;
use crate::clock::Clock;
use crate::config::Problems;
use crate::identity::ClientAddrResolver;

impl RateLimitLayer {
    /// Starts a layer with the name that clients are told and its quota.
    pub fn builder(name: impl Into<String>, quota: Quota) -> RateLimitLayerBuilder {
        RateLimitLayerBuilder::new(name.into(), quota)
    }

    /// Returns what an operator changes and looks into.
    #[must_use]
    pub fn handle(&self) -> RateLimitHandle {
        RateLimitHandle(Arc::clone(&self.0.limiter.0))
    }

    /// Returns the limiter, to count from a handler.
    #[must_use]
    pub fn limiter(&self) -> RateLimiter {
        self.0.limiter.clone()
    }

    /// Tells whether requests are counted by subject.
    #[must_use]
    pub fn counts_subjects(&self) -> bool {
        self.0.key.counts_subjects()
    }
}

/// Collects the settings of a [`RateLimitLayer`].
#[must_use]
pub struct RateLimitLayerBuilder {
    windows: Vec<(String, Quota)>,
    key: Key,
    resolver: ClientAddrResolver,
    without_address: WithoutAddress,
    exempt: Vec<String>,
    exempt_when: Vec<Asks<request::Parts, bool>>,
    counts_preflights: bool,
    cost: Option<Asks<request::Parts, u32>>,
    refund_when: Option<Asks<response::Parts, bool>>,
    only_watches: bool,
    ban: Option<(Quota, Duration)>,
    fields: Fields,
    counting: Counting,
}

impl RateLimitLayerBuilder {
    pub(super) fn new(name: String, quota: Quota) -> Self {
        Self {
            windows: vec![(name, quota)],
            key: Key::ClientAddr,
            resolver: ClientAddrResolver::default(),
            without_address: WithoutAddress::default(),
            exempt: Vec::new(),
            exempt_when: Vec::new(),
            counts_preflights: false,
            cost: None,
            refund_when: None,
            only_watches: false,
            ban: None,
            fields: Fields::default(),
            counting: Counting::default(),
        }
    }

    /// Adds a window with a name and a quota of its own, for instance a long one
    /// beside a short one. A request has to be within all of them, and is
    /// counted in all of them or in none.
    pub fn and(mut self, name: impl Into<String>, quota: Quota) -> Self {
        self.windows.push((name.into(), quota));
        self
    }

    /// Says whose requests are counted together; [`Key::ClientAddr`] by default.
    pub fn key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Says how client addresses are found; by default the peer is the client.
    pub fn client_addr(mut self, resolver: ClientAddrResolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// Says what happens to requests whose address is not known; they are
    /// refused by default.
    pub fn without_address(mut self, what: WithoutAddress) -> Self {
        self.without_address = what;
        self
    }

    /// Says how many requests a request counts as; 1 by default. One that counts
    /// as 0 is not counted; one that counts as more than the quota allows at
    /// once is refused.
    ///
    /// # Security
    ///
    /// The client writes the request: a cost that it can choose must have a
    /// floor of 1, and a price in the handler.
    pub fn cost(mut self, cost: impl Fn(&request::Parts) -> u32 + Send + Sync + 'static) -> Self {
        self.cost = Some(Arc::new(cost));
        self
    }

    /// Gives a request back if its response is such, for instance a success
    /// where only failures count. It is counted until then, so that many at
    /// once cannot slip through together; a request that is given up stays
    /// counted.
    pub fn refund_when(
        mut self,
        when: impl Fn(&response::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.refund_when = Some(Arc::new(when));
        self
    }

    /// Does not count clients of some networks.
    ///
    /// # Security
    ///
    /// Whoever has such an address is not limited.
    pub fn exempt<T: Into<String>>(mut self, networks: impl IntoIterator<Item = T>) -> Self {
        self.exempt.extend(networks.into_iter().map(Into::into));
        self
    }

    /// Does not count requests that look so.
    ///
    /// # Security
    ///
    /// The client writes the request: exempt only what it cannot choose, or what
    /// costs nothing.
    pub fn exempt_when(
        mut self,
        exempts: impl Fn(&request::Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.exempt_when.push(Arc::new(exempts));
        self
    }

    /// Counts CORS preflights too. They are not counted by default: the browser
    /// asks them, and cannot wait.
    ///
    /// # Security
    ///
    /// A preflight is an `OPTIONS` request with `Origin` and
    /// `Access-Control-Request-Method`, which anybody can send. Count them where
    /// no [`CorsLayer`](crate::cors::CorsLayer) answers them and handlers take
    /// any method.
    pub fn count_preflights(mut self) -> Self {
        self.counts_preflights = true;
        self
    }

    /// Bans a caller after so many refused requests within a time, for a time, in
    /// this limit. Of an IPv6 address that is the /64. Each process counts
    /// refusals for itself; a shared ban holds in all.
    pub fn ban(mut self, refusals: Quota, time: Duration) -> Self {
        self.ban = Some((refusals, time));
        self
    }

    /// Lets the layer refuse and ban nobody: it counts, and tells what would have
    /// been refused by [`RateLimitHandle::stats`]. A handler that asks the
    /// [limiter](RateLimitLayer::limiter) is still told.
    pub fn dangerous_only_watch(mut self) -> Self {
        self.only_watches = true;
        self
    }

    /// Says which fields responses carry.
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// Sets the size of the table of counters; 262,144 by default, 16 bytes each,
    /// of which seven in eight can be used. A client takes one for each window,
    /// two for a strict one, and over IPv6 three times as many.
    pub fn capacity(mut self, counters: usize) -> Self {
        self.counting.capacity = counters;
        self
    }

    /// Says what happens when the table is full.
    pub fn memory(mut self, memory: Memory) -> Self {
        self.counting.memory = memory;
        self
    }

    /// Counts together with other processes.
    #[cfg(feature = "redis")]
    pub fn redis(
        mut self,
        limits: &super::redis::RedisLimits,
        on_failure: super::redis::OnFailure,
    ) -> Self {
        self.counting.redis = Some((limits.clone(), on_failure));
        self
    }

    /// Replaces the clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.counting.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<RateLimitLayer, ConfigError> {
        let mut problems = Windows::problems(&self.windows, self.counting.memory);
        problems.extend(self.counting.problems());
        let longest = Duration::from_secs(31 * 24 * 60 * 60);
        if self
            .ban
            .is_some_and(|(_, time)| time.is_zero() || time > longest)
        {
            problems.push(Problem::Ban);
        }
        let strict = self.ban.is_some_and(|(refusals, _)| refusals.is_strict());
        if strict && self.counting.memory == Memory::Strict {
            problems.push(Problem::StrictBan);
        }
        problems.extend(self.key.problems());
        let exempt = exempt(self.exempt, &mut problems);
        Problems::check(problems, || {
            let counters = Arc::new(self.counting.counters());
            // One that only watches changes nothing for others.
            let ban = self.ban.filter(|_| !self.only_watches);
            let ban_id = counters.id(&format!("ban by {}", self.windows[0].0));
            let ban = ban.map(|(refusals, time)| Strikes {
                rate: Rate::new(refusals, 1),
                id: counters.id("refusals, before a ban"),
                time,
            });
            let limit = Limit {
                windows: ArcSwap::from_pointee(Windows::new(self.windows, &counters)),
                counters,
                tally: Tally::default(),
                ban,
                ban_id,
                fields: self.fields,
            };
            RateLimitLayer(Arc::new(Rules {
                limiter: RateLimiter(Arc::new(limit)),
                key: self.key,
                resolver: self.resolver,
                without_address: self.without_address,
                exempt,
                exempt_when: self.exempt_when,
                counts_preflights: self.counts_preflights,
                cost: self.cost,
                refund_when: self.refund_when,
                only_watches: self.only_watches,
            }))
        })
    }
}

/// Reads the exempt networks.
fn exempt(entries: Vec<String>, problems: &mut Vec<Problem>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for entry in entries {
        let network = entry
            .parse::<IpNet>()
            .or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) if network.prefix_len() == 0 => {
                problems.push(Problem::ExemptsEverybody { entry });
            }
            // Addresses are unwrapped before they are compared.
            Ok(IpNet::V6(network)) if network.addr().to_ipv4_mapped().is_some() => {
                problems.push(Problem::Exempt { entry });
            }
            Ok(network) => networks.push(network),
            Err(_) => problems.push(Problem::Exempt { entry }),
        }
    }
    networks
}

impl fmt::Debug for RateLimitLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayerBuilder")
            .field("windows", &self.windows)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
