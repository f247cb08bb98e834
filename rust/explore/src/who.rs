//! Who does something, as reports name it.

use std::fmt;

use pgmap_program::op::WorkerId;
use serde::{Serialize, Serializer};

use crate::scenario::Role;

/// A worker, or the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Worker(WorkerId),
    Environment,
}

impl Who {
    /// In a sentence: `w0`, `the environment`.
    #[must_use]
    pub fn in_a_sentence(self) -> String {
        match self {
            Self::Worker(worker) => worker.to_string(),
            Self::Environment => "the environment".to_owned(),
        }
    }

    /// Where there is little room: `w0`, `env`.
    #[must_use]
    pub fn in_short(self) -> String {
        match self {
            Self::Worker(worker) => worker.to_string(),
            Self::Environment => "env".to_owned(),
        }
    }
}

impl From<Option<WorkerId>> for Who {
    fn from(worker: Option<WorkerId>) -> Self {
        worker.map_or(Self::Environment, Self::Worker)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker(worker) => write!(f, "{worker}"),
            Self::Environment => write!(f, "environment"),
        }
    }
}

impl Serialize for Who {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Role {
    /// Who it is.
    #[must_use]
    pub fn who(&self) -> Who {
        self.worker.into()
    }
}
