//! Where a recorder held tasks, as steps of the model.
//!
//! A recorder names an instruction of the kernel. A task of the model is held before the step that is the next to happen
//! there: the first of a function, or one of the protocol's steps by its name (`pgmap.ablate --list`).

use pgmap_program::Recording;
use pgmap_program::op::WorkerId;
use pgmap_program::recording::Asked;
use pgmap_sched::Step;

use crate::names;
use crate::protocol;

/// A step that is held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first of a function, by its kernel name.
    In(&'static str),
    /// This one.
    Before(&'static str),
}

/// What the kernel was held at, and where that is here.
const PLACES: &[(&str, Place)] = &[
    // Called by zap_huge_pmd when the PMD has been cleared.
    ("arch_check_zapped_pmd", Place::In("folio_remove_rmap_pmd")),
    ("folio_remove_rmap_ptes", Place::In("folio_remove_rmap_pte")),
    // In front of its set_pmd_at.
    ("move_huge_pmd+0x170", Place::Before("publish:set_release-pmd@move_huge_pmd")),
    // Begins with a look at the entry.
    ("invalidate_inode_pages2_range", Place::In("xas_load")),
    ("dax_insert_entry", Place::In("dax_insert_entry")),
    // When the holder has been notified.
    ("kill_dax+0x2f", Place::Before("set-alive@kill_dax")),
    ("xfs_do_force_shutdown", Place::Before("set_release-shutdown@xfs_dax_notify_failure")),
    ("unmap_vmas", Place::In("zap_pmd_range")),
];

/// A hold, from when it is set up until it is released.
#[derive(Debug)]
struct Hold {
    number: u8,
    place: Place,
    worker: WorkerId,
    /// Somebody has come there.
    reached: bool,
}

/// Those that are set up.
#[derive(Debug, Default)]
pub(super) struct Holds(Vec<Hold>);

impl Holds {
    /// Sets one up; a place that is not in the table holds nobody ([`unknown`]).
    pub(super) fn add(&mut self, number: u8, place: &str, worker: WorkerId) {
        self.release(number);
        if let Some(place) = find(place) {
            self.0.push(Hold { number, place, worker, reached: false });
        }
    }

    /// Who is held goes on, and nobody is held there any more.
    pub(super) fn release(&mut self, number: u8) {
        self.0.retain(|hold| hold.number != number);
    }

    /// Whether somebody has come there.
    pub(super) fn is_reached(&self, number: u8) -> bool {
        self.0.iter().any(|hold| hold.number == number && hold.reached)
    }

    /// Whether a worker that stands at this step is to stay.
    pub(super) fn stop(&mut self, worker: WorkerId, step: &Step) -> bool {
        let here = |hold: &&mut Hold| hold.worker == worker && hold.place.is_at(step);
        match self.0.iter_mut().find(here) {
            Some(hold) => {
                hold.reached = true;
                true
            }
            None => false,
        }
    }
}

impl Place {
    fn is_at(self, step: &Step) -> bool {
        match self {
            Self::In(function) => names::function(step.site) == Some(function),
            Self::Before(name) => protocol::is_at(name, step.site),
        }
    }
}

fn find(place: &str) -> Option<Place> {
    PLACES.iter().find(|(kernel, _)| *kernel == place).map(|(_, place)| *place)
}

/// Why a recording cannot be replayed: tasks are held where nobody knows what that is here.
pub(super) fn unknown(recording: &Recording) -> Vec<String> {
    let held = recording.steps().filter_map(|(step, seen)| match &seen.asked {
        Some(Asked::Hold { place, .. }) if find(place).is_none() => {
            let known: Vec<&str> = PLACES.iter().map(|(kernel, _)| *kernel).collect();
            let known = known.join(", ");
            Some(format!(
                "step {}: where {place} is in the model is not known, but {known}",
                step.n
            ))
        }
        _ => None,
    });
    held.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_one_of_the_model() {
        for (kernel, place) in PLACES {
            let there = match place {
                Place::In(function) => names::functions().any(|it| it == *function),
                Place::Before(step) => protocol::steps().iter().any(|it| it.name == *step),
            };
            assert!(there, "{kernel}: {place:?}");
        }
    }
}
