//! What schemes share that count nothing: whether the object is gone, and whose reference is put.

use prim::{AtomicUsize, zeroed};

use crate::scheme::Put;

const GONE: usize = 1;

zeroed! {
    /// The words of an object.
    #[derive(Debug)]
    pub struct Words {
        gone: AtomicUsize,
        /// 1 while the owner has its reference.
        owned: AtomicUsize,
    }
}

/// Whose reference it is.
#[derive(Clone, Copy, Debug)]
pub enum Pin {
    /// The owner's, which no CPU tells of.
    Owners,
    /// A user's.
    Users,
}

impl Words {
    pub(crate) fn begin(&self) {
        self.owned.set(1);
        // Release: pairs with the acquire of whoever asks.
        self.gone.set_release(0);
    }

    /// Caller: passes the heavy half of a barrier next.
    pub(crate) fn goes(&self) {
        self.gone.set(GONE);
    }

    #[inline(always)]
    pub(crate) fn is_gone(&self) -> bool {
        // Acquire: pairs with the release of the beginning.
        self.gone.read_acquire() == GONE
    }

    /// The owner's put: the end, if the object was killed.
    pub(crate) fn end(&self) -> Put {
        self.owned.set(0);
        if self.gone.read() == GONE { Put::Zero } else { Put::Unknown }
    }

    /// 1 while the owner has its reference.
    pub(crate) fn owners(&self) -> i64 {
        self.owned.read().cast_signed() as i64
    }
}
