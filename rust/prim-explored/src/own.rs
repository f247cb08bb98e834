//! What somebody works on who should hold a lock and does not: a copy of what the lock guards.
//!
//! Such a task reads what is guarded when it would have taken the lock, and what it then changed is seen by others
//! when it would have given it back, byte by byte, so that it undoes nothing but what it changed itself. Both are
//! steps on the lock, which excludes nobody. A compiler may do no less to plain memory that no lock orders; and no
//! reference to what another task changes is ever handed out.
//!
//! Copies are the thread's, not the heap's: an execution may be left anywhere, and [`forget_all`] takes them back.

use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use pgmap_sched::{Effect, Verb};

use crate::{
    PlainData, in_use,
    step::{self, Site},
};

/// Room for a copy as it was read, and for one to work on.
struct Room {
    words: Box<[u64]>,
    taken: Cell<bool>,
}

thread_local! {
    static ROOMS: RefCell<Vec<Room>> = const { RefCell::new(Vec::new()) };
}

/// A copy of a `T`.
pub(crate) struct Own<T> {
    room: usize,
    was: NonNull<T>,
    now: NonNull<T>,
}

/// No execution goes on: whatever was left of one is room again.
pub(crate) fn forget_all() {
    ROOMS.with_borrow(|rooms| rooms.iter().for_each(|room| room.taken.set(false)));
}

impl<T: PlainData> Own<T> {
    const WORDS: usize = size_of::<T>().div_ceil(size_of::<u64>());

    /// Reads what is guarded.
    ///
    /// # Safety
    /// `data` is that of a lock: an initialised `T`, which no other thread touches.
    pub(crate) unsafe fn read(data: *const T) -> Self {
        const { assert!(align_of::<T>() <= align_of::<u64>(), "rooms are made of words") };
        ROOMS.with_borrow_mut(|rooms| {
            let fits = |room: &Room| !room.taken.get() && room.words.len() >= 2 * Self::WORDS;
            let at = rooms.iter().position(fits).unwrap_or_else(|| {
                let words = vec![0; 2 * Self::WORDS].into_boxed_slice();
                rooms.push(Room { words, taken: Cell::new(false) });
                rooms.len() - 1
            });
            rooms[at].taken.set(true);
            let words = NonNull::from(&mut *rooms[at].words).cast::<u64>();
            // SAFETY: the room has words enough for two, one after the other.
            let (was, now) = (words.cast::<T>(), unsafe { words.add(Self::WORDS) }.cast::<T>());
            // SAFETY: `data` is a `T` by the caller's word; both places have room for one, aligned, and are nobody
            // else's until this copy is dropped. What is copied are bytes of plain data, which any of its holders
            // may have written.
            unsafe {
                core::ptr::copy_nonoverlapping(data, was.as_ptr(), 1);
                core::ptr::copy_nonoverlapping(data, now.as_ptr(), 1);
            }
            Self { room: at, was, now }
        })
    }

    pub(crate) fn get(&self) -> &T {
        // SAFETY: a `T` of our own.
        unsafe { self.now.as_ref() }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: a `T` of our own, and `&mut self` makes this the only reference.
        unsafe { self.now.as_mut() }
    }

    /// Has it been changed since it was read?
    fn is_changed(&self) -> bool {
        // SAFETY: bytes of plain data, initialised when they were read.
        let bytes = |of: NonNull<T>| unsafe {
            core::slice::from_raw_parts(of.as_ptr().cast::<u8>(), size_of::<T>())
        };
        bytes(self.was) != bytes(self.now)
    }

    /// The step of giving the lock at this address back, which guards `data`.
    pub(crate) fn give_back(&self, verb: Verb, lock: usize, site: Site, data: *mut T) {
        let effect = if self.is_changed() { Effect::Write } else { Effect::Read };
        step::on_word(verb, effect, lock, site);
        if effect == Effect::Write {
            // SAFETY: as when it was read.
            unsafe { self.write_changes(data) };
        }
    }

    /// Puts the bytes that were changed where others see them.
    ///
    /// # Safety
    /// As for [`read`](Self::read), and `data` may be written.
    unsafe fn write_changes(&self, data: *mut T) {
        in_use::mark(data.addr(), size_of::<T>());
        let (was, now) = (self.was.as_ptr().cast::<u8>(), self.now.as_ptr().cast::<u8>());
        for at in 0..size_of::<T>() {
            // SAFETY: inside all three; a byte that was changed is one of a `T` that our caller made.
            unsafe {
                if *was.add(at) != *now.add(at) {
                    *data.cast::<u8>().add(at) = *now.add(at);
                }
            }
        }
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        ROOMS.with_borrow(|rooms| rooms[self.room].taken.set(false));
    }
}
