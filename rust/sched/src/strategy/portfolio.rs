//! The portfolio: strategies in a fixed turn.
//!
//! No strategy is the best for every program, and which one is good for this program is not known. In
//! turns, each finds what it finds alone within a small multiple of the executions.
//!
//! How often each has its turn was decided by measurement, on a catalogue of races in models of a few hundred
//! steps. PCT and POS met every one within some hundred executions, PCT sooner those that need one task to run
//! far ahead, POS those between two steps that follow each other. SURW met some soonest and others hardly
//! ever; URW and random only those that need no preemption at a certain place.

use super::Strategy;

const TURNS: [Strategy; 12] = [
    Strategy::Pos,
    Strategy::Pct { depth: 2 },
    Strategy::Surw,
    Strategy::Pct { depth: 3 },
    Strategy::Pos,
    Strategy::Urw,
    Strategy::Pct { depth: 5 },
    Strategy::Pos,
    Strategy::Pct { depth: 2 },
    Strategy::Surw,
    Strategy::Pct { depth: 3 },
    Strategy::Random,
];

/// Whose turn an execution is.
pub(super) fn member(execution: u64) -> Strategy {
    TURNS[(execution % TURNS.len() as u64) as usize]
}
