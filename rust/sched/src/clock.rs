//! When the caller is asked whether to go on: after so much work, within executions and between them. It is work
//! that is counted and not time, so a stop that comes at one look comes at the same one again.

/// How much work passes between two looks: executions, and points.
const EXECUTIONS: u32 = 256;
const POINTS: u64 = 1 << 15;
/// After so many points of one execution there is a look in its midst.
pub(crate) const REST: u32 = 4096;

/// The work since the last look.
#[derive(Default)]
pub(crate) struct Clock {
    executions: u32,
    points: u64,
}

impl Clock {
    /// Counts an execution; whether it is time for a look.
    pub(crate) fn struck(&mut self, points: u32) -> bool {
        self.executions += 1;
        self.points += u64::from(points);
        let due = self.executions >= EXECUTIONS || self.points >= POINTS;
        if due {
            *self = Self::default();
        }
        due
    }
}
