//! The sizes of a world. Conformance runs at the real ones, stress in between, the explorer small;
//! a verdict always says which, because a proof at PMD order 2 is a proof about PMD order 2.

use serde::Serialize;
use thiserror::Error;

use crate::op::HANDLES_MAX;

/// Sizes, all in 4 KiB pages unless said. Plain numbers: a world checks them once, with
/// [`Geometry::validate`], and then trusts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Geometry {
    /// A PMD leaf covers `1 << pmd_order` pages (9 on x86-64).
    pub pmd_order: u8,
    /// Pages an mmu_gather holds before it must flush.
    pub gather_batch: u16,
    /// What one pin adds to the refcount of a small folio (`GUP_PIN_COUNTING_BIAS`). The larger, the fewer pins a count has
    /// room for.
    pub pin_bias: u32,
    /// CPU slots: how many threads can be inside the machine at once.
    pub cpus: u16,
    /// Pages of the file system's DAX device, which are also its blocks.
    pub pages: u32,
    /// Pages of the driver-memory device; 0 leaves it out.
    pub dev_pages: u32,
    /// Files that can exist at once.
    pub files_max: u16,
    /// Pages of the largest file.
    pub file_pages_max: u32,
    /// Processes alive at once.
    pub procs_max: u16,
    /// File descriptors of one process.
    pub fds_max: u8,
    /// Mappings of one process.
    pub maps_max: u8,
    /// Pipes of one process.
    pub pipes_max: u8,
    /// Pages one pipe holds.
    pub pipe_slots: u16,
    /// Pins and gets one worker holds at once.
    pub pins_max: u16,
}

/// The machine the recordings come from.
pub const REAL: Geometry = Geometry {
    pmd_order: 9,
    gather_batch: 512,
    pin_bias: 1024,
    cpus: 16,
    pages: 16 * 1024,
    dev_pages: 1024,
    files_max: 16,
    file_pages_max: 4096,
    procs_max: 64,
    fds_max: 64,
    maps_max: 64,
    pipes_max: 64,
    pipe_slots: 16,
    pins_max: 64,
};

/// Small enough that every interleaving of a few operations can be tried.
pub const SMALL: Geometry = Geometry {
    pmd_order: 2,
    gather_batch: 2,
    pin_bias: 1024,
    cpus: 4,
    pages: 16,
    dev_pages: 8,
    files_max: 4,
    file_pages_max: 8,
    procs_max: 4,
    fds_max: 8,
    maps_max: 8,
    pipes_max: 4,
    pipe_slots: 4,
    pins_max: 8,
};

/// Most CPU slots a world can have.
pub const CPUS_MAX: u16 = 256;
/// Most pages a device can have: 1 TiB.
pub const PAGES_MAX: u32 = 1 << 28;

/// Most files there can be, and most names.
pub const FILES_MAX: u16 = 4096;
/// Largest [`Geometry::pipe_slots`]: what a pipe of the default size holds.
pub const PIPE_SLOTS_MAX: u16 = 16;
/// Largest [`Geometry::pins_max`].
pub const PINS_MAX: u16 = 64;

impl Geometry {
    /// See [`REAL`].
    pub const REAL: Geometry = REAL;
    /// See [`SMALL`].
    pub const SMALL: Geometry = SMALL;

    /// For real threads: huge pages small enough that PTE and PMD mappings of one range alternate
    /// quickly, and few blocks, so that they are reused at once.
    #[must_use]
    pub const fn stress(threads: u16) -> Geometry {
        Geometry {
            pmd_order: 4,
            gather_batch: 8,
            cpus: if threads == 0 {
                1
            } else if threads > CPUS_MAX {
                CPUS_MAX
            } else {
                threads
            },
            pages: 72,
            dev_pages: 64,
            files_max: 8,
            file_pages_max: 64,
            procs_max: 16,
            ..REAL
        }
    }

    /// Pages under one PMD leaf.
    #[must_use]
    pub const fn pmd_pages(&self) -> u32 {
        1 << self.pmd_order
    }

    /// Refuses sizes that no world can have, one sentence each.
    pub fn validate(&self) -> Result<(), GeometryError> {
        let between = |name: &'static str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(GeometryError(format!("{name} is {value}; it must be {low} to {high}")))
            }
        };
        let handles = HANDLES_MAX.into();
        between("pmd_order", self.pmd_order.into(), 1, 9)?;
        between("gather_batch", self.gather_batch.into(), 1, 4096)?;
        between("pin_bias", self.pin_bias.into(), 2, 1 << 29)?;
        between("cpus", self.cpus.into(), 1, CPUS_MAX.into())?;
        between("pages", self.pages.into(), 1, PAGES_MAX.into())?;
        between("dev_pages", self.dev_pages.into(), 0, PAGES_MAX.into())?;
        between("files_max", self.files_max.into(), 1, FILES_MAX.into())?;
        between("file_pages_max", self.file_pages_max.into(), 1, PAGES_MAX.into())?;
        between("procs_max", self.procs_max.into(), 1, 256)?;
        between("fds_max", self.fds_max.into(), 1, handles)?;
        between("maps_max", self.maps_max.into(), 1, handles)?;
        between("pipes_max", self.pipes_max.into(), 1, handles)?;
        between("pipe_slots", self.pipe_slots.into(), 1, PIPE_SLOTS_MAX.into())?;
        between("pins_max", self.pins_max.into(), 1, PINS_MAX.into())?;
        if !self.pin_bias.is_power_of_two() {
            return Err(GeometryError(format!(
                "pin_bias is {}; it must be a power of two",
                self.pin_bias
            )));
        }
        if self.file_pages_max > self.pages {
            return Err(GeometryError(format!(
                "file_pages_max is {} but the device has only {} pages",
                self.file_pages_max, self.pages
            )));
        }
        Ok(())
    }
}

macro_rules! sizes {
    ($($name:ident: $type:ty,)+) => {
        /// The sizes by name. Tokens write them in this order, so a new one comes last.
        impl Geometry {
            /// How many there are.
            pub const SIZES: usize = [$(stringify!($name)),+].len();

            /// All of them.
            #[must_use]
            pub fn sizes(&self) -> [(&'static str, u64); Self::SIZES] {
                // Every field by name: one that has no row here does not compile.
                let Self { $($name),+ } = *self;
                [$((stringify!($name), u64::from($name))),+]
            }

            /// The largest number that is kept for a size; none: no size is called so.
            #[must_use]
            pub fn most(name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(<$type>::MAX.into()),)+
                    _ => None,
                }
            }

            /// Changes one; what it may be [`validate`](Self::validate) says.
            pub fn set(&mut self, name: &str, value: u64) -> Result<(), GeometryError> {
                match name {
                    $(stringify!($name) => {
                        let large = |_| GeometryError(format!("{name} is {value}: too large"));
                        self.$name = value.try_into().map_err(large)?;
                    })+
                    _ => {
                        let all = [$(stringify!($name)),+].join(", ");
                        let what = format!("no size is called {name:?}; sizes are: {all}");
                        return Err(GeometryError(what));
                    }
                }
                Ok(())
            }
        }
    };
}

sizes! {
    pmd_order: u8,
    gather_batch: u16,
    pin_bias: u32,
    cpus: u16,
    pages: u32,
    dev_pages: u32,
    files_max: u16,
    file_pages_max: u32,
    procs_max: u16,
    fds_max: u8,
    maps_max: u8,
    pipes_max: u8,
    pipe_slots: u16,
    pins_max: u16,
}

/// A geometry no world can have; the sentence says which size and what it may be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct GeometryError(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(change: impl Fn(&mut Geometry)) -> String {
        let mut g = REAL;
        change(&mut g);
        g.validate().expect_err("must be refused").to_string()
    }

    #[test]
    fn sizes_are_read_and_changed_by_name() {
        let mut changed = SMALL;
        for (name, value) in REAL.sizes() {
            assert!(Geometry::most(name).is_some_and(|most| value <= most), "{name}");
            assert_eq!(changed.set(name, value), Ok(()));
        }
        assert_eq!(changed, REAL);
        let says = |wrong: Result<(), GeometryError>| wrong.expect_err("no size").to_string();
        assert_eq!(says(changed.set("pmd_order", 256)), "pmd_order is 256: too large");
        assert!(
            says(changed.set("pmd", 2)).starts_with("no size is called \"pmd\"; sizes are: pmd_")
        );
        assert_eq!((changed, Geometry::most("pmd")), (REAL, None));
    }

    #[test]
    fn every_preset_is_valid() {
        for g in [REAL, SMALL, Geometry::stress(4)] {
            assert_eq!(g.validate(), Ok(()));
        }
        for threads in [0, 1, 64, u16::MAX] {
            assert_eq!(Geometry::stress(threads).validate(), Ok(()));
        }
    }

    #[test]
    fn a_file_may_be_as_large_as_the_device_and_no_larger() {
        let sized = |file_pages_max| Geometry { file_pages_max, ..SMALL }.validate();
        assert_eq!(sized(SMALL.pages), Ok(()));
        assert!(sized(SMALL.pages + 1).is_err());
    }

    #[test]
    fn a_pmd_leaf_of_the_real_machine_is_two_mebibytes() {
        assert_eq!(REAL.pmd_pages(), 512);
        assert_eq!(SMALL.pmd_pages(), 4);
    }

    #[test]
    fn an_impossible_size_is_refused_with_its_name_and_range() {
        assert_eq!(complaint(|g| g.pmd_order = 0), "pmd_order is 0; it must be 1 to 9");
        assert_eq!(complaint(|g| g.pmd_order = 10), "pmd_order is 10; it must be 1 to 9");
        assert_eq!(complaint(|g| g.cpus = 0), "cpus is 0; it must be 1 to 256");
        assert_eq!(complaint(|g| g.pin_bias = 1000), "pin_bias is 1000; it must be a power of two");
        assert!(complaint(|g| g.pages = 0).starts_with("pages is 0"));
        assert!(complaint(|g| g.pages = 8).contains("the device has only 8 pages"));
        for change in [
            (|g| g.gather_batch = 0) as fn(&mut Geometry),
            |g| g.dev_pages = u32::MAX,
            |g| g.files_max = 0,
            |g| g.file_pages_max = 0,
            |g| g.procs_max = 0,
            |g| g.fds_max = 0,
            |g| g.maps_max = 0,
            |g| g.pipes_max = 0,
            |g| g.pipe_slots = 0,
            |g| g.pins_max = 0,
        ] {
            assert!(complaint(change).contains("it must be"));
        }
    }
}
