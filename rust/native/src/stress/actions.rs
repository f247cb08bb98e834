//! What stress threads do: a list of actions that follows from a seed.
//!
//! Actions are drawn without looking at the world, so a list means the same whatever the interleaving:
//! "munmap mapping 2" may hit nothing, and that is an outcome too.
//!
//! How often which comes is not what hunts and Hypothesis draw by (`contention` in the table of operations). Those weights
//! say what is next in a program of a few steps that then ends; here a list goes on, and has to leave enough for the others
//! to meet on: with them one action of 18 would take a file's name away (here one of 900), and a pipe would be filled and
//! never drained, for which there is no word. Drawn programs on threads are `pgmap.strategies.on_threads`.

use pgmap_prim::{SplitMix64, Stopped};
use pgmap_program::Geometry;
use pgmap_program::op::{FileIdx, FileState, Layout};

use crate::threaded::{Patience, ThreadedWorld};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal $call:literal $default:literal $gup:literal $files:literal $fracture:literal;)+) => {
        /// Kinds of action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ActionKind { $($(#[$doc])* $kind,)+ }

        impl ActionKind {
            /// All of them.
            pub const ALL: &'static [ActionKind] = &[$(ActionKind::$kind),+];

            /// The name in reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(ActionKind::$kind => $name),+ }
            }

            /// The system call it is, as the world names it.
            #[must_use]
            pub fn call(self) -> &'static str {
                match self { $(ActionKind::$kind => $call),+ }
            }
        }

        /// Every mix by name.
        pub const MIXES: &[Mix] = &[
            Mix { name: "default", weights: &[$($default),+] },
            Mix { name: "gup", weights: &[$($gup),+] },
            Mix { name: "files", weights: &[$($files),+] },
            Mix { name: "fracture", weights: &[$($fracture),+] },
        ];
    };
}

// Name, system call, weights of: default, gup (references against unmap and truncate), files (holes, names, contents),
// fracture (anonymous memory in huge pages and small, taken apart and moved to a device and home). There no file is
// mapped: a mapping may be another one's by the time that a thread touches it, and the two sorts keep different marks.
kinds! {
    /// Load through the TLB.
    Read "read" "read" 1600 1200 1600 0;
    /// Store through the TLB.
    Write "write" "write" 1800 1200 1600 0;
    /// Pin one page.
    Pin "pin" "pin" 1000 2000 400 0;
    /// Pin several.
    PinRange "pin_range" "pin" 600 1200 100 0;
    /// Take a plain reference.
    Get "get" "get" 400 600 100 0;
    /// Read another thread's memory page by page: many pins, each gone at once.
    Copy "copy" "process_vm_readv" 1600 2000 50 0;
    /// Give the most recent one back.
    Unpin "unpin" "unpin" 1600 2800 400 1600;
    /// A device writes through a pin.
    DmaWrite "dma_write" "dma_write" 300 400 100 0;
    /// A device reads.
    DmaRead "dma_read" "dma_read" 200 200 100 100;
    /// Direct I/O, complete before it returns.
    Dio "dio" "dio_read" 150 200 50 0;
    /// Map a file.
    Mmap "mmap" "mmap" 300 400 300 0;
    /// Unmap all of a mapping.
    Munmap "munmap" "munmap" 150 200 100 0;
    /// Unmap a part.
    MunmapPart "munmap_part" "munmap" 40 40 40 0;
    /// Move all of a mapping to other addresses.
    Mremap "mremap" "mremap" 100 120 60 0;
    /// Drop one entry, keep the mapping.
    Dontneed "dontneed" "madvise" 200 400 150 0;
    /// Change a file's size.
    Truncate "truncate" "ftruncate" 60 80 120 40;
    /// Punch a hole.
    Punch "punch" "punch" 200 250 200 60;
    /// Make pages read as zeroes.
    ZeroRange "zero_range" "zerorange" 5 5 30 5;
    /// Write without a mapping.
    Pwrite "pwrite" "pwrite" 200 40 800 120;
    /// Read without a mapping.
    Pread "pread" "pread" 60 30 400 60;
    /// Remove a name, and close it: the last user evicts.
    Unlink "unlink" "unlink" 15 12 60 4;
    /// Make a new file of that name, and open it.
    Create "create" "open" 40 30 150 20;
    /// References kept in a pipe.
    Vmsplice "vmsplice" "vmsplice" 150 300 50 0;
    /// And dropped.
    Drain "drain" "drain" 150 300 50 150;
    /// Driver memory: allocate a run.
    DevAlloc "dev_alloc" "dev_alloc" 700 300 0 30;
    /// Give it back.
    DevFree "dev_free" "dev_put" 700 300 0 40;
    /// Speculative references by frame number, as compaction takes them.
    DevPeek "dev_peek" "dev_get" 1100 200 0 200;
    /// Touch the same pages of a huge entry through mappings of both sizes, so that an entry is waited for at
    /// another index than the one it sits at.
    Straddle "straddle" "mmap" 40 40 40 0;
    /// Unbind the filesystem's device and bind it again.
    Rebind "rebind" "unbind" 2 1 1 0;
    /// Map anonymous memory, in huge pages or in small ones.
    Anon "anon" "anon" 0 0 0 400;
    /// Load from it.
    AnonRead "anon_read" "read" 0 0 0 1200;
    /// Store to it.
    AnonWrite "anon_write" "write" 0 0 0 1600;
    /// Take references on some of it.
    AnonGet "anon_get" "get" 0 0 0 500;
    /// Keep references on some of it in a pipe.
    AnonVmsplice "anon_vmsplice" "vmsplice" 0 0 0 100;
    /// Drop a page of it.
    AnonDontneed "anon_dontneed" "madvise" 0 0 0 150;
    /// Unmap all or a part of it.
    AnonMunmap "anon_munmap" "munmap" 0 0 0 200;
    /// Move it to other addresses.
    AnonMremap "anon_mremap" "mremap" 0 0 0 150;
    /// Take a huge page apart.
    SplitHuge "split_huge" "split_huge_pages" 0 0 0 400;
    /// Move some of it to the driver's memory.
    ToDevice "to_device" "hmm_todev" 0 0 0 700;
    /// And home.
    ToSystem "to_system" "hmm_tosys" 0 0 0 400;
    /// The device reads it where it is.
    DeviceRead "device_read" "hmm_read" 0 0 0 300;
    /// A device gets some of it for itself.
    Exclusive "exclusive" "exclusive" 0 0 0 200;
    /// Move a folio to other frames.
    MovePages "move_pages" "move_pages" 0 0 0 200;
    /// Split what is mapped in parts.
    Shrink "shrink" "deferred_split_scan" 0 0 0 100;
}

/// How often which kind is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Its name.
    pub name: &'static str,
    weights: &'static [u32],
}

/// The mix of this name.
#[must_use]
pub fn mix_named(name: &str) -> Option<Mix> {
    MIXES.iter().copied().find(|mix| mix.name == name)
}

impl Mix {
    fn draw(&self, rng: &mut SplitMix64) -> ActionKind {
        let mut at = rng.below(self.weights.iter().sum());
        for (kind, weight) in ActionKind::ALL.iter().zip(self.weights) {
            match at.checked_sub(*weight) {
                None => return *kind,
                Some(left) => at = left,
            }
        }
        ActionKind::Read
    }
}

/// One action with everything it needs to be drawn once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// Which file, mapping or descriptor.
    pub which: u8,
    /// Page of the file, mapping or device.
    pub page: u32,
    /// Pages.
    pub pages: u32,
    /// A choice the kind leaves open.
    pub pick: u32,
}

/// Files a stress world has.
pub(super) const FILES: u8 = 4;
/// Of these, the first so many are large enough for a PMD.
pub(super) const HUGE: u8 = 2;
/// Mappings a process juggles.
pub(super) const MAPS: u8 = 4;
/// The number of the first of its mappings of anonymous memory; there are two.
pub(super) const ANON: u8 = 32;

/// Pages of file `which`: two PMDs, one PMD, and two files too small for any. Together they fill two
/// thirds of the device, so that a freed block is soon somebody else's.
pub(super) fn file_pages(geometry: &Geometry, which: u8) -> u32 {
    let pmd = geometry.pmd_pages();
    let pages = match which {
        0 => 2 * pmd,
        1 => pmd,
        _ => (pmd / 2).max(2),
    };
    pages.min(geometry.file_pages_max)
}

/// A list for a thread that runs alone, for whoever measures one.
#[must_use]
pub fn list_of(mix: &Mix, geometry: &Geometry, seed: u64, count: usize) -> Vec<Action> {
    draw(mix, geometry, seed, 0, 0, count)
}

/// The actions of one thread in one round.
pub(super) fn draw(
    mix: &Mix,
    geometry: &Geometry,
    seed: u64,
    round: u64,
    thread: u16,
    count: usize,
) -> Vec<Action> {
    let mut mixer = SplitMix64::new(seed ^ round.rotate_left(24) ^ (u64::from(thread) << 56));
    let mut rng = SplitMix64::new(mixer.next_u64());
    (0..count)
        .map(|_| {
            let which = rng.below(FILES.into()) as u8;
            Action {
                kind: mix.draw(&mut rng),
                which,
                page: rng.below(file_pages(geometry, which)),
                pages: 1 + rng.below(8),
                pick: rng.next_u64() as u32,
            }
        })
        .collect()
}

/// Files that went in the last round come back.
pub(super) fn make_files(threaded: &ThreadedWorld) -> Result<(), Stopped> {
    threaded.enter(0, Patience::default(), |cpu| {
        let world = threaded.world();
        for which in 0..FILES {
            let layout = if which < 2 { Layout::Huge } else { Layout::Contiguous };
            let pages = file_pages(world.geometry(), which);
            // Existing is fine; a full device leaves a file out, and its opens fail.
            let _ = world.create_file(
                cpu,
                FileIdx(which.into()),
                pages,
                Some(FileState::Written),
                layout,
            );
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_list_for_ever() {
        let mut rng = SplitMix64::new(1);
        assert_eq!(rng.next_u64(), 0x910a_2dec_8902_5cc1);
        let geometry = Geometry::stress(4);
        let mix = mix_named("default").expect("the default mix");
        let list = |seed, round, thread| draw(&mix, &geometry, seed, round, thread, 64);
        assert_eq!(list(7, 0, 0), list(7, 0, 0));
        assert_ne!(list(7, 0, 0), list(8, 0, 0));
        assert_ne!(list(7, 0, 0), list(7, 1, 0));
        assert_ne!(list(7, 0, 0), list(7, 0, 1));
    }

    #[test]
    fn every_action_is_a_call_the_world_has_a_name_for() {
        for kind in ActionKind::ALL {
            assert_ne!(pgmap_program::op::call_number(kind.call()), 0, "{}", kind.name());
        }
    }

    #[test]
    fn every_kind_with_a_weight_is_drawn() {
        let geometry = Geometry::stress(4);
        for mix in MIXES {
            let list = draw(mix, &geometry, 1, 0, 0, 200_000);
            for (kind, weight) in ActionKind::ALL.iter().zip(mix.weights) {
                let drawn = list.iter().any(|action| action.kind == *kind);
                assert_eq!(drawn, *weight > 0, "{} in {}", kind.name(), mix.name);
            }
        }
    }
}
