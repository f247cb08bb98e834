//! The hottest operations, alone in a loop, for counting their instructions.
//!
//! A count of retired instructions is exact where a time is not: the same build executes the same ones
//! every time. `examples/counted.rs` runs one operation so many times, under a tool that counts; what a run
//! twice as long has more is the operation's own, together with the few instructions of the loop around it.

use pgmap_mm::page::Folio;
use pgmap_mm::pagemap::PagemapType;
use pgmap_prim::measure::opaque;
use pgmap_program::Era;
use pgmap_program::op::{Align, Layout};

use crate::bench::gup::Mapped;
use crate::bench::refs::{Device, refused};
use crate::bench::workload::{BuildError, setup};

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// `folio_try_get` of a folio that somebody holds.
    TryGet,
    /// `folio_put` that is not the last one.
    Put(Era),
    /// `gup_fast` of one page, and its unpin.
    GupFast,
}

impl Counted {
    /// Everything that can be counted, by name.
    pub const ALL: [(&'static str, Self); 4] = [
        ("try_get", Self::TryGet),
        ("put", Self::Put(Era::V6_15)),
        ("put, sound idle rule", Self::Put(Era::V6_15Sound)),
        ("gup_fast+unpin", Self::GupFast),
    ];

    /// Runs the operation `times` times.
    ///
    /// # Errors
    /// Why there is nothing to run it on.
    ///
    /// # Panics
    /// When the operation is refused.
    pub fn run(self, times: u16) -> Result<(), BuildError> {
        let refs = i32::from(times);
        match self {
            Self::TryGet => {
                let device = held(Era::V6_15)?;
                try_get(&device, times);
                device.pagemaps.folio_put_refs(&device.cpu(), folio(&device), refs);
            }
            Self::Put(era) => {
                let device = held(era)?;
                if folio(&device).page().refcount.try_add(refs).is_err() {
                    refused("try_get");
                }
                put(&device, times);
            }
            Self::GupFast => {
                let mapped = Mapped::new(Layout::Contiguous, Align::Odd, 16, &[0])?;
                mapped.pin_and_unpin(&mapped.cpu(0), &mapped.request(0, 1), times.into());
            }
        }
        Ok(())
    }
}

/// A device with one folio handed out.
fn held(era: Era) -> Result<Device, BuildError> {
    let device = Device::of(era, PagemapType::FsDax, 512)?;
    setup("alloc_folios", device.pagemaps.alloc_folios(&device.cpu(), device.id, device.first, 1))?;
    Ok(device)
}

fn folio(device: &Device) -> Folio<'_> {
    device.pagemaps.memmap.folio(device.first)
}

#[inline(never)]
fn try_get(device: &Device, times: u16) {
    let folio = folio(device);
    for _ in 0..times {
        if folio.page().refcount.try_add(1).is_err() {
            refused("try_get");
        }
    }
}

#[inline(never)]
fn put(device: &Device, times: u16) {
    let (cpu, folio) = (device.cpu(), folio(device));
    let pagemaps = opaque(&device.pagemaps);
    for _ in 0..times {
        pagemaps.folio_put_refs(&cpu, folio, 1);
    }
}
