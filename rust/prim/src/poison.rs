//! Poison: how a hung world ends without hanging the process.
//!
//! A wait that outlives its deadline and that no signal may end declares the machine dead. Every
//! wait, current and future, then *abandons* its operation: it unwinds, dropping the locks it holds,
//! to the [`catch_abandon`] at the boundary. Unwinding uses `resume_unwind`, so no panic hook runs and
//! nothing reaches stderr. The data is left as a crash would leave it; nobody will use it.
//!
//! A wait reached *during* unwinding (a destructor that takes a lock) cannot unwind again. It keeps
//! waiting if it must, and it will succeed: all others unwind too and drop what they hold.

use core::{any::Any, fmt};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::{Machine, TaskId, Waiter};

/// Why a machine is dead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Poison {
    /// `task` ran into its deadline; `waiters` is everybody who was waiting then, `task` included.
    Hang { task: TaskId, waiters: Vec<Waiter> },
    /// This process is a fork of the one whose threads were running the machine.
    Forked,
    /// Somebody outside ended it, and says why.
    Requested(String),
}

impl fmt::Display for Poison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hang { task, waiters } => {
                write!(f, "task {} waited past its deadline", task.0)?;
                waiters.iter().try_for_each(|waiter| write!(f, "; {waiter}"))
            }
            Self::Forked => f.write_str("the machine was left behind by fork"),
            Self::Requested(why) => f.write_str(why),
        }
    }
}

/// The payload with which an abandoned operation unwinds.
#[derive(Debug)]
pub struct Abandoned(Poison);

/// Why [`catch_abandon`] got no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The operation was abandoned, because the machine is dead.
    Poisoned(Poison),
    /// The operation panicked: a bug in the emulator.
    Panic(String),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned(poison) => write!(f, "abandoned: {poison}"),
            Self::Panic(message) => write!(f, "panicked: {message}"),
        }
    }
}

impl core::error::Error for Stopped {}

/// The boundary around an operation.
///
/// # Errors
/// [`Stopped`] if the operation was abandoned or panicked.
pub fn catch_abandon<R>(operation: impl FnOnce() -> R) -> Result<R, Stopped> {
    // Unwind safety: what an abandoned operation leaves behind is a dead machine, and what a
    // panicking one leaves behind is reported as a bug; neither is trusted afterwards.
    catch_unwind(AssertUnwindSafe(operation)).map_err(|payload| {
        match payload.downcast::<Abandoned>() {
            Ok(abandoned) => Stopped::Poisoned(abandoned.0),
            Err(payload) => Stopped::Panic(message(payload.as_ref())),
        }
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// Unwinds to [`catch_abandon`]; returns only if the thread is unwinding already.
#[cold]
pub(crate) fn abandon(machine: &Machine) {
    if std::thread::panicking() {
        return;
    }
    if let Some(poison) = machine.poisoned() {
        resume_unwind(Box::new(Abandoned(poison)));
    }
}
