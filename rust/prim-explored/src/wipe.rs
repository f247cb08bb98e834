//! Writing zeros over what lies in an arena, so that only what changes counts as written.

use core::ptr::NonNull;

use pgmap_sched::Effect;

use crate::{
    in_use, object,
    step::{self, Site},
    verb,
};

/// Writes zeros where something else is. Caller: the bytes are inside an arena's mapping.
pub(crate) fn wipe(first: NonNull<u8>, bytes: usize, site: Site) {
    let start = first.addr().get();
    // Atomics are 4 or 8 bytes at their own alignment, so no granule of 8 shares one with a
    // neighbour, and a granule may begin before the range only in its middle.
    let mut at = 0;
    while at < bytes {
        let length = (8 - (start + at) % 8).min(bytes - at);
        // SAFETY: `at + length <= bytes`: inside the range; nobody else uses it, by the promise of
        // whoever zeroes a table; zero bytes are valid for all that lies in an arena.
        let granule = unsafe { core::slice::from_raw_parts_mut(first.add(at).as_ptr(), length) };
        if granule.iter().any(|&byte| byte != 0) {
            in_use::mark(start + at, length);
            granule.fill(0);
            if step::in_task() {
                for word in (start + at..start + at + length).step_by(4) {
                    step::record(verb::MEMSET, Effect::Write, object::word(word), site);
                }
            }
        } else {
            // Had another task come first, it would have been wiped.
            for word in (start + at..start + at + length).step_by(4) {
                step::touch_word(word, Effect::Read);
            }
        }
        at += length;
    }
}
