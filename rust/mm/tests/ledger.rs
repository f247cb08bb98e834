//! Natively there is no ledger: no size, and nothing to ask. What it knows when explored is tested in
//! `mm-explored`.

mod common;

use common::{COSY, F, Fixture, W0};
use pgmap_mm::page::Memmap;
use program::Era;
use program::op::{Align, Layout};

#[test]
fn the_ledger_of_a_frame_takes_no_memory() {
    assert_eq!(Memmap::LEDGER_BYTES, 0);
}

#[test]
fn nobody_knows_who_owns_a_page() {
    let fixture = Fixture::new(&COSY, Era::V6_15Sound.rules());
    let cpu = fixture.cpu(0);
    let inode = fixture.file(&cpu, F, 1, Layout::Contiguous);
    fixture.start(&cpu, W0, F, 1, Align::Odd);
    fixture.pin(&cpu, W0, 0, 1).expect("a pin");
    assert_eq!(fixture.world.dax.vm.pagemaps.memmap.owners(fixture.frame(inode, 0)), None);
}
