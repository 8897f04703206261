//! Which requests are counted, as whom, and what the answer says about it.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use http::{StatusCode, request, response};
use ipnet::IpNet;

use super::ask::Soon;
use super::error::Limited;
use super::fields::{self, Say};
use super::key::{self, Key};
use super::limiter::{Allowed, Grant, Permit, RateLimiter};
use crate::gate::Settings;
use crate::identity::{ClientAddr, ClientAddrResolver};
use crate::rejection::{Rejection, RejectionCode, Reply, with_true_status};
use crate::wire::preflight::is_preflight;

/// A question about a head.
pub(super) type Asks<Head, T> = Arc<dyn Fn(&Head) -> T + Send + Sync>;

pub(super) struct Rules {
    pub(super) limiter: RateLimiter,
    pub(super) key: Key,
    pub(super) resolver: ClientAddrResolver,
    pub(super) without_address: WithoutAddress,
    pub(super) exempt: Vec<IpNet>,
    pub(super) exempt_when: Vec<Asks<request::Parts, bool>>,
    pub(super) counts_preflights: bool,
    pub(super) cost: Option<Asks<request::Parts, u32>>,
    pub(super) refund_when: Option<Asks<response::Parts, bool>>,
    pub(super) only_watches: bool,
}

/// What happens to a request that is counted by address when the server does
/// not say where it came from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WithoutAddress {
    /// 500: the server has to be put right.
    #[default]
    Refuse,
    /// All of them count together. One client can use up what all have.
    Together,
}

/// An admitted request.
#[derive(Debug)]
pub struct Counted {
    address: Option<ClientAddr>,
    grant: Option<Granted>,
}

#[derive(Debug)]
enum Granted {
    Kept(Box<Permit>),
    Spent(Allowed),
}

impl Granted {
    fn allowed(&self) -> &Allowed {
        match self {
            Self::Kept(permit) => permit.allowed(),
            Self::Spent(allowed) => allowed,
        }
    }
}

impl Rules {
    pub(super) fn check(self: &Arc<Self>, head: &request::Parts) -> Soon<Result<Counted, Reply>> {
        let needed = self.key.needs_address() || !self.exempt.is_empty();
        let address = needed.then(|| self.resolver.resolve(head)).flatten();
        let uncounted = Soon::Now(Ok(Counted {
            address,
            grant: None,
        }));
        if self.exempts(head, address) {
            self.limiter.0.tally.exempt();
            return uncounted;
        }
        let cost = self.cost.as_ref().map_or(1, |cost| cost(head));
        let Some(cost) = NonZeroU32::new(cost) else {
            return uncounted;
        };
        let hasher = &self.limiter.0.counters.hasher;
        let rungs = match (self.key.of(head, address, hasher), self.without_address) {
            (Some(rungs), _) => rungs,
            (None, WithoutAddress::Together) => key::Caller::everybody().rungs(hasher),
            // Without an address everybody would share one bucket, or none.
            (None, WithoutAddress::Refuse) if self.only_watches => return uncounted,
            (None, WithoutAddress::Refuse) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                let rejection = Rejection::new(status, RejectionCode::Misconfigured);
                return Soon::Now(Err(rejection.kind("no-client-address").into()));
            }
        };
        let caller = rungs[0].unwrap_or_default();
        match self.limiter.start(rungs, cost, self.refund_when.is_some()) {
            Soon::Now(outcome) => {
                let who = || Some(self.key.caller(head, address)?.to_string());
                Soon::Now(
                    self.settle(address, caller, who, outcome)
                        .map_err(Reply::from),
                )
            }
            Soon::Later(later) => {
                let rules = Arc::clone(self);
                let who = self.key.caller(head, address);
                Soon::Later(Box::pin(async move {
                    let outcome = later.await;
                    let who = || Some(who?.to_string());
                    rules
                        .settle(address, caller, who, outcome)
                        .map_err(Reply::from)
                }))
            }
        }
    }

    pub(super) fn settings(&self) -> Settings {
        let windows = self.limiter.0.windows.load();
        let windows = windows.list().iter();
        let windows: Vec<_> = windows
            .map(|window| format!("{} {}", window.name, window.quota))
            .collect();
        let mut settings = vec![
            ("quota", windows.join(", ")),
            ("counted by", self.key.in_words()),
        ];
        if !self.exempt.is_empty() {
            let exempt: Vec<_> = self.exempt.iter().map(ToString::to_string).collect();
            settings.push(("exempt", exempt.join(", ")));
        }
        if self.only_watches {
            settings.push(("refuses", "nobody: it only watches".to_owned()));
        }
        settings
    }

    fn settle(
        &self,
        address: Option<ClientAddr>,
        caller: u128,
        who: impl FnOnce() -> Option<String>,
        outcome: Result<Grant, Limited>,
    ) -> Result<Counted, Rejection> {
        let limit = &self.limiter.0;
        let grant = match outcome {
            Ok(grant) if self.refund_when.is_some() => {
                Some(Granted::Kept(Box::new(grant.into_permit(limit))))
            }
            Ok(grant) => Some(Granted::Spent(grant.allowed)),
            Err(limited) => {
                limit.tally.denied(caller, who);
                if !self.only_watches {
                    return Err(limited.into_rejection());
                }
                limit.tally.shadowed();
                None
            }
        };
        Ok(Counted { address, grant })
    }

    fn exempts(&self, head: &request::Parts, address: Option<ClientAddr>) -> bool {
        // A preflight is asked by the browser, and answered before anything
        // costly.
        let preflight = !self.counts_preflights && is_preflight(head);
        let spared = |address: IpAddr| self.exempt.iter().any(|net| net.contains(&address));
        preflight
            || address.is_some_and(|address| spared(address.ip()))
            || self.exempt_when.iter().any(|exempts| exempts(head))
    }

    pub(super) fn enter(&self, counted: &Counted, head: &mut request::Parts) {
        // An outer layer may have said so already.
        let known = head.extensions.get::<ClientAddr>().copied();
        if let Some(address) = counted.address.filter(|address| known != Some(*address)) {
            head.extensions.insert(address);
        }
    }

    pub(super) fn leave(&self, counted: Counted, head: &mut response::Parts) {
        let Some(grant) = counted.grant else { return };
        let back = self
            .refund_when
            .as_ref()
            .is_some_and(|when| with_true_status(head, |head| when(head)));
        let allowed = grant.allowed();
        if let Some(left) = allowed.left.filter(|_| !self.only_watches) {
            let back = match &grant {
                Granted::Kept(permit) if back => permit.cost(),
                _ => 0,
            };
            let says = left.map(|left| {
                let left = left.saturating_add(back);
                Some(Say { left, wait: None })
            });
            let fields = self.limiter.0.fields;
            fields::add(fields, &allowed.windows, &says, &mut head.headers);
        }
        if let (Granted::Kept(permit), true) = (grant, back) {
            permit.refund_soon();
        }
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("limiter", &self.limiter)
            .field("key", &self.key)
            .field("resolver", &self.resolver)
            .field("exempt", &self.exempt)
            .field("only_watches", &self.only_watches)
            .finish_non_exhaustive()
    }
}
