//! Where the body of a request and the response to it meet.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use super::violation::Violation;

/// Shared by the body, which finds violations, and the response future, which
/// answers them.
pub(super) struct Shared<B>(Mutex<State<B>>);

struct State<B> {
    refused: Option<Refused<B>>,
    answered: bool,
    response: Option<Waker>,
    body: Option<Waker>,
}

/// A violation, and what is left of the body.
pub(super) struct Refused<B> {
    pub(super) violation: Violation,
    pub(super) rest: Option<Pin<Box<B>>>,
}

impl<B> Shared<B> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            refused: None,
            answered: false,
            response: None,
            body: None,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports a violation; false if the response is out already.
    pub(super) fn refuse(&self, refused: Refused<B>, context: &Context<'_>) -> bool {
        let mut state = self.state();
        if state.answered {
            return false;
        }
        state.refused = Some(refused);
        state.body = Some(context.waker().clone());
        if let Some(response) = state.response.take() {
            response.wake();
        }
        true
    }

    /// Tells whether a body that reported a violation is still to be waited
    /// for: its reader must not see an end before the response is decided.
    pub(super) fn is_pending(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        if !state.answered {
            state.body = Some(context.waker().clone());
        }
        !state.answered
    }

    pub(super) fn register_response(&self, context: &Context<'_>) {
        let mut state = self.state();
        match &state.response {
            Some(waker) if waker.will_wake(context.waker()) => {}
            _ => state.response = Some(context.waker().clone()),
        }
    }

    pub(super) fn take_refused(&self) -> Option<Refused<B>> {
        self.state().refused.take()
    }

    /// Decides the response: a reader that is still there gets an error, and a
    /// refusal that came too late is dropped with its body.
    pub(super) fn answer(&self) {
        let mut state = self.state();
        state.answered = true;
        let (refused, body) = (state.refused.take(), state.body.take());
        drop(state);
        drop(refused);
        if let Some(body) = body {
            body.wake();
        }
    }
}
