//! Where counters are kept: settings that a limit and a guard have in common.

use std::sync::Arc;

use super::counters::Counters;
use super::error::Problem;
use super::store::Memory;
use crate::clock::{Clock, SystemClock};

#[derive(Debug)]
pub(super) struct Counting {
    pub(super) capacity: usize,
    pub(super) memory: Memory,
    pub(super) clock: Arc<dyn Clock>,
    #[cfg(feature = "redis")]
    pub(super) redis: Option<(super::redis::RedisLimits, super::redis::OnFailure)>,
}

impl Default for Counting {
    fn default() -> Self {
        Self {
            capacity: 1 << 18,
            memory: Memory::default(),
            clock: Arc::new(SystemClock),
            #[cfg(feature = "redis")]
            redis: None,
        }
    }
}

impl Counting {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(1 << 10..=1 << 26).contains(&self.capacity) {
            problems.push(Problem::Capacity {
                capacity: self.capacity,
            });
        }
        problems
    }

    pub(super) fn counters(self) -> Counters {
        #[cfg(feature = "redis")]
        let shared = self
            .redis
            .map(|(limits, on_failure)| limits.shared(on_failure));
        #[cfg(not(feature = "redis"))]
        let shared = None;
        Counters::new(self.capacity, self.memory, self.clock, shared)
    }
}
