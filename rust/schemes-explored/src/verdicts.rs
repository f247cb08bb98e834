//! What the model check says of the four ways to `folio_try_get` that the kernel's list argued about in 2026, and of the
//! mistakes that were made or feared on the way.

use crate::kinds::{cas::Cas, frozen::Frozen, frozen_read::FrozenRead, guess::Guess};
use crate::mistakes::MISTAKES;
use crate::promise::{self, Destroys, NextLife, Promise, Speculators};
use crate::scheme::Scheme;
use crate::search::{Verdict, keeps};

/// One line of the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which variant, or which mistake.
    pub variant: &'static str,
    /// What was asked of it.
    pub asked: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// Preemptions within which everything is searched.
pub const BOUND: u32 = 3;

/// Mistakes that belong to the argument are called so.
const OF_THE_ARGUMENT: [&str; 3] =
    ["frozen bit: ", "a guess of one ", "a speculative get that adds "];

/// Every variant under every promise, then every mistake of the argument.
#[must_use]
pub fn folio_try_get() -> Vec<Finding> {
    let mut findings = Vec::new();
    ask::<Cas>(&mut findings);
    ask::<Guess>(&mut findings);
    ask::<FrozenRead>(&mut findings);
    ask::<Frozen>(&mut findings);
    let ours = |what: &str| OF_THE_ARGUMENT.iter().any(|start| what.starts_with(start));
    findings.extend(MISTAKES.iter().filter(|mistake| ours(mistake.what)).map(|mistake| Finding {
        variant: mistake.what,
        asked: "a planted mistake",
        verdict: (mistake.search)(BOUND),
    }));
    findings
}

fn ask<S: Scheme>(findings: &mut Vec<Finding>) {
    fn one<S: Scheme>(promise: impl Promise) -> Finding {
        let verdict = keeps::<S, _>(promise, BOUND);
        Finding { variant: S::NAME, asked: promise.name(), verdict }
    }
    findings.push(one::<S>(Speculators));
    findings.push(one::<S>(promise::Frozen));
    findings.push(one::<S>(NextLife { destroys: Destroys::AsThePageSays }));
    findings.push(one::<S>(NextLife { destroys: Destroys::AsTheCallerKnew }));
}
