//! What is asked of counters, and what they say.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::Duration;

use super::rate::{Rate, Ruling};
use super::store::{MOST, Slot};

/// One counter on which a request is counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    pub(super) key: u128,
    pub(super) rate: Rate,
}

impl Charge {
    /// Where its state is.
    pub(super) fn slot(self) -> Slot {
        Slot {
            key: self.key,
            halves: self.rate.halves(),
        }
    }

    /// Fills places that are not used.
    pub(super) const NONE: Self = Self {
        key: 0,
        rate: Rate::Strict { period: 1, most: 0 },
    };
}

/// A request, as counters see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    /// At least one, at most [`MOST`].
    pub(super) charges: &'a [Charge],
    pub(super) cost: NonZeroU32,
    /// Who may be banned.
    pub(super) caller: u128,
    /// Counters with the same tag lie together: all that one decision is about.
    pub(super) tag: u128,
    /// Whether the request may be given back: then it is counted by itself.
    pub(super) kept: bool,
}

/// What the counters say: one ruling a charge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    rulings: [Ruling; MOST],
    charges: usize,
    pub(super) by: By,
}

/// Who counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum By {
    Memory,
    Shared,
    /// The memory of this process, by its part of the quota, since the others
    /// cannot be asked.
    Degraded {
        processes: NonZeroU32,
    },
}

impl By {
    /// Tells whether the others could not be asked.
    pub(super) fn is_degraded(self) -> bool {
        matches!(self, Self::Degraded { .. })
    }

    /// The rate by which was counted.
    pub(super) fn rate(self, rate: Rate) -> Rate {
        match self {
            Self::Degraded { processes } => rate.share(processes),
            Self::Memory | Self::Shared => rate,
        }
    }
}

impl Answer {
    pub(super) fn new(by: By, rulings: impl IntoIterator<Item = Ruling>) -> Self {
        let mut answer = Self {
            rulings: [Ruling::Never; MOST],
            charges: 0,
            by,
        };
        for (place, ruling) in answer.rulings.iter_mut().zip(rulings) {
            *place = ruling;
            answer.charges += 1;
        }
        answer
    }

    pub(super) fn rulings(&self) -> &[Ruling] {
        &self.rulings[..self.charges]
    }

    pub(super) fn admits(&self) -> bool {
        let mut rulings = self.rulings().iter();
        rulings.all(|ruling| matches!(ruling, Ruling::Left { .. }))
    }
}

/// How a request was met.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant)] // Moved once or twice, kept nowhere.
pub(super) enum Met {
    /// The counters were asked.
    Counted(Answer),
    /// The caller is banned for so long.
    Banned(Duration),
    /// The others cannot be asked, and the setting says to refuse.
    Down,
    /// The others cannot be asked, and the setting says to let pass.
    Unchecked,
}

/// An answer, now or later.
pub(super) enum Soon<T> {
    Now(T),
    Later(Later<T>),
}

pub(super) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<T> Soon<T> {
    pub(super) async fn wait(self) -> T {
        match self {
            Self::Now(value) => value,
            Self::Later(later) => later.await,
        }
    }
}

/// What it takes to give a request back.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) charges: Vec<(Charge, u64)>,
    pub(super) tag: u128,
    pub(super) cost: NonZeroU32,
    pub(super) by: By,
}

impl Receipt {
    /// Keeps what an answer says; `None` if it refuses.
    pub(super) fn new(ask: &Ask<'_>, answer: &Answer) -> Option<Self> {
        let marks = answer.rulings().iter().map(|ruling| match ruling {
            Ruling::Left { mark, .. } => Some(*mark),
            _ => None,
        });
        let charges = ask.charges.iter().copied().zip(marks);
        let charges = charges.map(|(charge, mark)| {
            let rate = answer.by.rate(charge.rate);
            Some((Charge { rate, ..charge }, mark?))
        });
        Some(Self {
            charges: charges.collect::<Option<_>>()?,
            tag: ask.tag,
            cost: ask.cost,
            by: answer.by,
        })
    }
}
