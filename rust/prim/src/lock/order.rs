//! Lock order on real threads: nobody looks at it here, the explored face does.

use crate::{Cpu, LockClass};

/// `lock_map_acquire`: the task is about to wait for, or to take, something that orders like a lock and is none.
#[inline(always)]
pub fn lock_map_acquire(_cpu: &Cpu<'_>, _class: &'static LockClass, _object: u64) {}

/// `lock_map_release`: it holds that no more.
#[inline(always)]
pub fn lock_map_release(_cpu: &Cpu<'_>, _object: u64) {}
