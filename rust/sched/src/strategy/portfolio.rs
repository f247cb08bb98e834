//! The portfolio: strategies in a fixed turn.
//!
//! No strategy is the best for every program, and which one is good for this program is not known. In
//! turns, each finds what it finds alone within a small multiple of the executions.

use super::Strategy;

const TURNS: [Strategy; 8] = [
    Strategy::Pos,
    Strategy::Urw,
    Strategy::Random,
    Strategy::Surw,
    Strategy::Pos,
    Strategy::Pct { depth: 2 },
    Strategy::Pct { depth: 3 },
    Strategy::Pct { depth: 4 },
];

/// Whose turn an execution is.
pub(super) fn member(execution: u64) -> Strategy {
    TURNS[(execution % TURNS.len() as u64) as usize]
}
