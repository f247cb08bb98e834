//! A slab: objects of one kind in an arena, allocated and freed by index (`kmem_cache`).
//!
//! Contents survive a free and the next allocation, as with a constructor-less `kmem_cache` that is
//! never shrunk (`SLAB_TYPESAFE_BY_RCU` readers rely on it): whoever allocates initialises.
//!
//! The free list is a stack threaded through a table of links and guarded by one spin lock. A link is
//! 0 (never allocated), `LIVE`, or the list's next element plus one. All of it is arena data, so a
//! restore takes allocations back too.

use core::{fmt, ops::Index, panic::Location};

use crate::{
    Arena, AtomicU32, AtomicUsize, Cpu, Guarded, LockClass, NoMemory, SpinLock, Table, Warn,
    ZeroInit, code, edits::left_out,
};

const LIVE: u32 = u32::MAX;
/// A freed element that ends the list; no index plus one, since capacities are smaller.
const END: u32 = u32::MAX - 1;

crate::plain! {
    /// State of the free list.
    #[derive(Clone, Copy, Debug)]
    struct FreeList {
        /// First free element plus one; 0 if there is none.
        first: u32,
        /// Elements from here on were never allocated.
        fresh: u32,
    }
}

impl Guarded for FreeList {
    const CLASS: LockClass = LockClass::innermost("slab");
}

crate::zeroed! {
    struct Head {
        list: SpinLock<FreeList>,
        /// Written under `list`, read by anybody.
        live: AtomicUsize,
    }
}

/// The part of a slab that says which objects are free, as the arena names it.
pub const FREE_LIST: &str = "head";

/// See the module's introduction.
pub struct Slab<T: ZeroInit> {
    objects: Table<T>,
    links: Table<AtomicU32>,
    head: Table<Head>,
    name: &'static str,
}

impl<T: ZeroInit> Slab<T> {
    /// A slab of at most `capacity` objects.
    ///
    /// # Errors
    /// [`NoMemory`] if the arena has no room, or an index would not fit.
    pub fn new(arena: &Arena, capacity: usize, name: &'static str) -> Result<Self, NoMemory> {
        if capacity >= END as usize {
            return Err(NoMemory);
        }
        Ok(Self {
            objects: arena.table(name, capacity)?,
            links: arena.part(name, "links", capacity)?,
            head: arena.part(name, FREE_LIST, 1)?,
            name,
        })
    }

    /// Takes an object, whose contents are those of its last life, or zero.
    ///
    /// # Errors
    /// [`NoMemory`] if all are live, or by injection (`Arena::faults`).
    #[doc(alias = "kmem_cache_alloc")]
    pub fn alloc(&self, cpu: &Cpu<'_>) -> Result<u32, NoMemory> {
        if Arena::faults_of(&self.objects).strike() {
            return Err(NoMemory);
        }
        let mut list = self.head[0].list.lock(cpu);
        let index = match list.first.checked_sub(1) {
            Some(index) => {
                let next = self.link(index).read();
                list.first = if next == END { 0 } else { next };
                index
            }
            None if (list.fresh as usize) < self.capacity() => {
                list.fresh += 1;
                list.fresh - 1
            }
            None => return Err(NoMemory),
        };
        self.head[0].live.inc();
        self.link(index).set(LIVE);
        Ok(index)
    }

    /// Gives an object back. Freeing what is not live is warned about and changes nothing.
    ///
    /// # Panics
    /// If `index` is not below the capacity.
    #[inline]
    #[track_caller]
    pub fn free(&self, cpu: &Cpu<'_>, index: u32) {
        if !left_out("free", Location::caller()) {
            self.give_back(cpu, index);
        }
    }

    #[doc(alias = "kmem_cache_free")]
    fn give_back(&self, cpu: &Cpu<'_>, index: u32) {
        let mut list = self.head[0].list.lock(cpu);
        let link = self.link(index);
        let found = link.read();
        if found != LIVE {
            drop(list);
            let (object, value) = (index.into(), found.into());
            return cpu.warn(Warn { code: code::DOUBLE_FREE, object, value });
        }
        link.set(if list.first == 0 { END } else { list.first });
        list.first = index + 1;
        self.head[0].live.dec();
    }

    fn link(&self, index: u32) -> &AtomicU32 {
        &self.links[index as usize]
    }

    #[must_use]
    #[inline(always)]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.objects.get(index as usize)
    }

    /// Is the object allocated now?
    #[must_use]
    pub fn is_live(&self, index: u32) -> bool {
        self.links.get(index as usize).is_some_and(|link| link.read() == LIVE)
    }

    /// [`Self::is_live`] for a check: no step.
    #[must_use]
    pub fn peek_live(&self, index: u32) -> bool {
        self.links.get(index as usize).is_some_and(|link| link.peek() == LIVE)
    }

    /// Number of live objects.
    #[must_use]
    pub fn live(&self) -> usize {
        self.head[0].live.read()
    }

    #[must_use]
    pub fn capacity(&self) -> usize {
        self.objects.len()
    }

    /// The live objects, ascending; for checks at rest. Stops at the first that was never used.
    pub fn iter_live(&self) -> impl Iterator<Item = u32> {
        // Fresh elements are handed out in ascending order, so links are 0 from there on.
        let links = (0u32..).zip(self.links.iter()).take_while(|(_, link)| link.read() != 0);
        links.filter(|(_, link)| link.read() == LIVE).map(|(index, _)| index)
    }

    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: ZeroInit> Index<u32> for Slab<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, index: u32) -> &T {
        &self.objects[index as usize]
    }
}

impl<T: ZeroInit> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slab({}: {} of {})", self.name, self.live(), self.capacity())
    }
}
