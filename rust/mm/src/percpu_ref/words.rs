//! What is said to a ref and what it answers: names, ways to begin, what a put or a switch did.

/// Names a ref for as long as it is initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefId(pub u32);

/// `PERCPU_REF_INIT_*` (K§1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// Flags 0: percpu mode, count 1, cannot come back to life. What `dev_pagemap` uses.
    Percpu,
    /// `ALLOW_REINIT`: percpu mode, count 1, may be revived.
    PercpuReinit,
    /// `INIT_ATOMIC`: starts and stays atomic, count 1, may be revived.
    Atomic,
    /// `INIT_DEAD`: starts atomic and dead, count 0, may be revived.
    Dead,
}

/// What a put did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "on Zero the caller must run the owner's release"]
pub enum Put {
    /// References remain, or the ref is in percpu mode where zero cannot be seen.
    Alive,
    /// The last reference is gone: run `release` now, without sleeping.
    Zero,
}

/// A `confirm_switch` callback, as the owner wants it handed back; 0 is the kernel's no-op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirm(pub u32);

impl Confirm {
    /// Nobody waits for the confirmation.
    pub const NONE: Self = Self(0);
}

/// What the owner of a ref must do as a mode switch finishes its grace period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    /// Run the confirmation the switcher asked for. The switch still holds its reference.
    Confirmed(RefId, Confirm),
    /// Run `release`: the switch's own reference was the last (K§1.4 step 6).
    Released(RefId),
}
