//! What has happened to each thing along the path: who of the earlier blocks a new one conflicts with.

use std::collections::HashMap;

use super::{Footprint, Thing};
use crate::hash::Folding;

/// One block's access.
#[derive(Clone, Copy)]
struct Mark {
    block: u32,
    write: bool,
}

/// For each thing the blocks that touched it, the latest last.
#[derive(Default)]
pub(super) struct Trails(HashMap<Thing, Vec<Mark>, Folding>);

impl Trails {
    /// A block is now the last of the path.
    pub(super) fn enter(&mut self, block: usize, footprint: &Footprint) {
        for access in footprint.accesses() {
            let mark = Mark { block: block as u32, write: access.write };
            self.0.entry(access.thing).or_default().push(mark);
        }
    }

    /// The last block leaves the path.
    pub(super) fn leave(&mut self, block: usize, footprint: &Footprint) {
        for access in footprint.accesses() {
            let marks = self.0.get_mut(&access.thing);
            let _ = marks.and_then(|marks| marks.pop_if(|mark| mark.block == block as u32));
        }
    }

    /// The blocks that conflict with a footprint, the latest first, back to where all of them are known to
    /// come before: a write that does has everything before it in its past.
    pub(super) fn conflicts(
        &self,
        footprint: &Footprint,
        known: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let mut blocks = Vec::new();
        for access in footprint.accesses() {
            for mark in self.0.get(&access.thing).into_iter().flatten().rev() {
                let block = mark.block as usize;
                if !(access.write || mark.write) {
                    continue;
                }
                if !known(block) {
                    blocks.push(block);
                } else if mark.write {
                    break;
                }
            }
        }
        blocks.sort_unstable_by(|a, b| b.cmp(a));
        blocks.dedup();
        blocks
    }
}
