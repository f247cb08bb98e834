//! When the caller hears of progress: about every thirty milliseconds, without a look at the clock
//! after every execution.

use std::time::{Duration, Instant};

const BEAT: Duration = Duration::from_millis(30);
/// How much work passes between two looks at the clock: executions, and points.
const EXECUTIONS_A_LOOK: u32 = 256;
const POINTS_A_LOOK: u64 = 1 << 16;

/// Where the clock stands.
pub(crate) struct Clock {
    beat: Instant,
    executions: u32,
    points: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Clock { beat: Instant::now(), executions: 0, points: 0 }
    }

    /// Counts an execution; whether it is time to tell of progress.
    pub(crate) fn struck(&mut self, points: u32) -> bool {
        self.executions += 1;
        self.points += u64::from(points);
        if self.executions < EXECUTIONS_A_LOOK && self.points < POINTS_A_LOOK {
            return false;
        }
        (self.executions, self.points) = (0, 0);
        if self.beat.elapsed() < BEAT {
            return false;
        }
        self.beat = Instant::now();
        true
    }
}
