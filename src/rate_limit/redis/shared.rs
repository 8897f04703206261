//! Asks the server, and knows what need not be asked.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip128::SipHasher13;

use super::super::ask::{Answer, Ask, By, Charge, Receipt, Soon};
use super::super::counters::BELIEVED;
use super::super::rate::{Rate, Ruling, left};
use super::super::store::{BoundedStore, Memory, Slot};
use super::OnFailure;
use super::lease::Leases;
use super::link::{Link, Script};

/// The counters of one limit.
#[derive(Clone)]
pub(in super::super) struct Shared(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    on_failure: OnFailure,
    /// Until when a counter refuses, and until when that is believed.
    denials: BoundedStore,
    leases: Leases,
}

/// Why the others said nothing.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Refused {
    Banned { left: Duration },
    Down,
    Unchecked,
    Local { processes: NonZeroU32 },
}

impl Shared {
    pub(super) fn new(link: Arc<Link>, on_failure: OnFailure) -> Self {
        Self(Arc::new(Inner {
            link,
            on_failure,
            denials: BoundedStore::new(1 << 14, Memory::Forgetful),
            leases: Leases::default(),
        }))
    }

    pub(in super::super) fn hasher(&self) -> SipHasher13 {
        self.0.link.hasher()
    }

    pub(in super::super) fn is_connected(&self) -> bool {
        self.0.link.is_connected()
    }

    pub(in super::super) fn spend(&self, now: u64, ask: Ask<'_>) -> Soon<Result<Answer, Refused>> {
        let single = ask.cost == NonZeroU32::MIN;
        if single && let Some(answer) = self.0.remembered(now, ask.charges) {
            return Soon::Now(Ok(answer));
        }
        // A strict quota is not strict if what was granted is used later.
        let strict = ask.charges.iter().any(|charge| charge.rate.halves());
        let leased = single && !ask.kept && !strict;
        if leased && let Some(answer) = self.0.leases.take(now, ask.charges) {
            return Soon::Now(Ok(answer));
        }
        if !self.0.link.is_connected() {
            self.0.link.reconnect();
            return Soon::Now(Err(self.0.failed()));
        }
        let inner = Arc::clone(&self.0);
        let charges = ask.charges.to_vec();
        let (tag, caller, cost) = (ask.tag, ask.caller, ask.cost);
        Soon::Later(Box::pin(async move {
            let most = inner.link.lease_size(&charges);
            let extra = if leased {
                inner.leases.size(now, &charges, most)
            } else {
                0
            };
            let ban = inner.link.key("ban", tag, caller);
            let keys = inner.keys(tag, &charges);
            let mut arguments = vec![cost.get().to_string(), (1 + extra).to_string()];
            arguments.extend(charges.iter().flat_map(|charge| counter(charge.rate)));
            let keys = std::iter::once(ban).chain(keys).collect();
            let reply = inner.link.run(Script::Spend, keys, arguments).await;
            let Some(reply) = reply.as_deref().and_then(Reply::read) else {
                return Err(inner.failed());
            };
            inner.judge(now, &charges, cost, &reply)
        }))
    }

    pub(in super::super) fn refund(&self, receipt: Receipt) -> Soon<()> {
        let inner = Arc::clone(&self.0);
        Soon::Later(Box::pin(async move {
            let charges: Vec<_> = receipt.charges.iter().map(|(charge, _)| *charge).collect();
            inner.forget_denials(&charges);
            let mut arguments = vec![receipt.cost.to_string()];
            for (charge, mark) in &receipt.charges {
                arguments.extend(match charge.rate {
                    Rate::Gcra { interval, .. } => [
                        "g".to_owned(),
                        interval.to_string(),
                        (mark / 1_000).to_string(),
                        (mark % 1_000).to_string(),
                    ],
                    Rate::Strict { period, .. } => [
                        "s".to_owned(),
                        period.div_ceil(1_000).to_string(),
                        mark.to_string(),
                        "0".to_owned(),
                    ],
                });
            }
            let keys = inner.keys(receipt.tag, &charges).collect();
            // Without an answer the request stays counted.
            inner.link.run(Script::Refund, keys, arguments).await;
            // Somebody may have been refused before the server heard of it.
            inner.forget_denials(&charges);
        }))
    }

    pub(in super::super) fn peek(&self, tag: u128, charges: &[Charge]) -> Soon<Option<Vec<u32>>> {
        let inner = Arc::clone(&self.0);
        let charges = charges.to_vec();
        Soon::Later(Box::pin(async move {
            let ban = inner.link.key("ban", tag, 0);
            let keys = std::iter::once(ban).chain(inner.keys(tag, &charges));
            let mut arguments = vec!["1".to_owned(), "0".to_owned()];
            arguments.extend(charges.iter().flat_map(|charge| counter(charge.rate)));
            let reply = inner.link.run(Script::Spend, keys.collect(), arguments);
            let reply = reply.await?;
            let reply = Reply::read(&reply)?;
            let used = reply.counters.iter().map(|(used, _)| *used);
            let each = charges.iter().zip(used);
            Some(
                each.map(|(charge, used)| unused(charge.rate, used))
                    .collect(),
            )
        }))
    }

    pub(in super::super) fn forget(&self, tag: u128, charges: &[Charge]) -> Soon<()> {
        let inner = Arc::clone(&self.0);
        let charges = charges.to_vec();
        Soon::Later(Box::pin(async move {
            inner.forget_denials(&charges);
            let keys = inner.keys(tag, &charges).collect();
            // Without an answer the counters run out by themselves.
            inner.link.delete(keys).await;
            inner.forget_denials(&charges);
            for charge in &charges {
                inner.leases.forget(charge.key);
            }
        }))
    }

    /// Bans a caller for a time, or no longer; tells whether that was done.
    pub(in super::super) fn ban(
        &self,
        tag: u128,
        caller: u128,
        time: Option<Duration>,
    ) -> Soon<bool> {
        let inner = Arc::clone(&self.0);
        Soon::Later(Box::pin(async move {
            let key = inner.link.key("ban", tag, caller);
            match time {
                Some(time) => inner.link.set(key, time).await,
                None => inner.link.delete(vec![key]).await,
            }
        }))
    }
}

impl Inner {
    fn keys(&self, tag: u128, charges: &[Charge]) -> impl Iterator<Item = String> {
        charges
            .iter()
            .map(move |charge| self.link.key("count", tag, charge.key))
    }

    fn failed(&self) -> Refused {
        match self.on_failure {
            OnFailure::Local => Refused::Local {
                processes: self.link.processes(),
            },
            OnFailure::Refuse => Refused::Down,
            OnFailure::DangerousAllow => Refused::Unchecked,
        }
    }

    fn forget_denials(&self, charges: &[Charge]) {
        let now = self.link.now();
        for charge in charges {
            self.denials.write(now, denial(*charge), [None, None]);
        }
    }

    /// Returns a refusal that cannot have changed since it was given.
    fn remembered(&self, now: u64, charges: &[Charge]) -> Option<Answer> {
        let mut refused = false;
        let rulings = charges.iter().map(|charge| {
            let [until, believed_until] = self.denials.read(denial(*charge));
            match (until, believed_until) {
                (Some(until), Some(believed)) if until > now && believed > now => {
                    refused = true;
                    Ruling::Wait(Duration::from_nanos(until - now))
                }
                _ => Ruling::Left { left: 0, mark: 0 },
            }
        });
        let answer = Answer::new(By::Shared, rulings);
        refused.then_some(answer)
    }

    fn judge(
        &self,
        now: u64,
        charges: &[Charge],
        cost: NonZeroU32,
        reply: &Reply,
    ) -> Result<Answer, Refused> {
        if let Some(left) = reply.banned {
            return Err(Refused::Banned { left });
        }
        let counters = charges.iter().zip(&reply.counters);
        let extra = reply.granted.saturating_sub(1);
        let rulings = counters.map(|(charge, (used, wait))| {
            let left = unused(charge.rate, *used);
            if reply.granted > 0 {
                let left = left.saturating_add(extra);
                let mark = match charge.rate {
                    Rate::Gcra { .. } => reply.now * 1_000 + used,
                    Rate::Strict { period, .. } => reply.now / period.div_ceil(1_000),
                };
                return Ruling::Left { left, mark };
            }
            if cost.get() > charge.rate.most() {
                return Ruling::Never;
            }
            if *wait == 0 {
                return Ruling::Left { left, mark: 0 };
            }
            if cost == NonZeroU32::MIN {
                let until = now.saturating_add(*wait);
                let believed = now + u64::try_from(BELIEVED.as_nanos()).unwrap_or(u64::MAX);
                let state = [Some(until), Some(believed.min(until))];
                self.denials.write(now, denial(*charge), state);
            }
            Ruling::Wait(Duration::from_nanos(*wait))
        });
        let answer = Answer::new(By::Shared, rulings);
        self.leases.keep(now, charges, extra, &answer);
        Ok(answer)
    }
}

/// Where a refusal is remembered: each rate has its own, so that one that was
/// raised refuses nobody as the old one did.
fn denial(charge: Charge) -> Slot {
    let rate = match charge.rate {
        Rate::Gcra { interval, burst } => u128::from(interval) << 32 | u128::from(burst.get()),
        Rate::Strict { period, most } => u128::from(period) << 32 | u128::from(most),
    };
    // The factor spreads neighbouring rates over all bits.
    let key = charge.key ^ rate.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    Slot { key, halves: true }
}

/// How a counter is described to the scripts.
fn counter(rate: Rate) -> [String; 3] {
    match rate {
        Rate::Gcra { interval, burst } => ["g".into(), interval.to_string(), burst.to_string()],
        Rate::Strict { period, most } => {
            let period = period.div_ceil(1_000);
            ["s".into(), period.to_string(), most.to_string()]
        }
    }
}

/// How much is left beside what is used.
fn unused(rate: Rate, used: u64) -> u32 {
    match rate {
        Rate::Gcra { interval, burst } => left(interval, burst, used),
        Rate::Strict { most, .. } => most.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX)),
    }
}

/// What the script `spend` returns.
struct Reply {
    granted: u32,
    /// The time it was decided at, in microseconds since 1970.
    now: u64,
    banned: Option<Duration>,
    /// Of each counter what is used, in its unit, and the wait in nanoseconds.
    counters: Vec<(u64, u64)>,
}

impl Reply {
    fn read(reply: &[i64]) -> Option<Self> {
        let [granted, now, banned, counters @ ..] = reply else {
            return None;
        };
        let positive = |number: i64| u64::try_from(number.max(0)).unwrap_or_default();
        let pairs = counters.chunks_exact(2);
        Some(Self {
            granted: u32::try_from(*granted).ok()?,
            now: positive(*now),
            banned: (*banned > 0).then(|| Duration::from_millis(positive(*banned))),
            counters: pairs
                .map(|pair| (positive(pair[0]), positive(pair[1])))
                .collect(),
        })
    }
}
