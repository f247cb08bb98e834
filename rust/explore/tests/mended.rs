//! Mistakes of this model that real threads once showed: the programs that show them, exhausted now.

use pgmap_explore::{Ends, Scenario, Verdict, explore};
use pgmap_program::{Era, Program};
use pgmap_sched::{Control, Plan};

fn exhausted(program: &str, bound: u32) {
    exhausted_in(Era::V6_15Sound, program, bound);
}

fn exhausted_in(era: Era, program: &str, bound: u32) {
    let scenario = Scenario::new(Program::parse(program).expect("a program"), era);
    let plan = Plan { bound: Some(bound), ..Plan::default() };
    let verdict = explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario");
    assert!(matches!(verdict, Verdict::Exhausted { .. }), "{program}{verdict:#?}");
}

/// Zap must not pass over a leaf that another zap has cleared and not yet put: the page would read as
/// idle, since its count and its mapcount are equal for a moment.
#[test]
fn a_huge_mapping_that_is_half_gone_is_not_taken_for_idle() {
    exhausted(
        "file f 4 huge\nw0 mmap 0 f 0 4 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\nw1 ftruncate f 0\n",
        2,
    );
}

/// Who puts takes the reference out of the driver's table first: of two puts of the last one, the second
/// finds none. And an allocation that somebody else raises at once loses nothing.
#[test]
fn two_puts_of_one_driver_reference_do_not_take_it_twice() {
    exhausted("w0 dev_alloc 0 1\nstart\nw0 dev_put 0\nw1 dev_put 0\n", 3);
    exhausted("start\nw0 dev_alloc 0 2\nw1 dev_get 1 | w1 dev_put 1\n", 2);
}

#[test]
fn who_walks_frames_may_be_quicker_than_the_driver_that_allocates() {
    exhausted("start\nw0 dev_alloc 0 2 | w0 dev_put 0\nw1 try_get 1 | w1 unpin\n", 2);
}

/// The parts of a split folio are in the migration entries of its pages before they are folios of their own: locked and
/// in their mapping from the step on that makes them so.
#[test]
fn a_page_that_becomes_a_folio_is_locked_as_long_as_it_is_moved() {
    exhausted(
        "w0 anonhuge 0 4\nw0 w 0 0\nw0 fork 1\nstart\n\
         w0 split_huge_pages 0 0\nw1 munmap 0 1 1 | w1 w 0 0\n",
        2,
    );
}

/// A fault on a page in a device's memory finds it being moved, freed or referred to by whoever is moving it: it waits
/// for the folio's lock, or until that reference is gone.
#[test]
fn a_page_in_a_devices_memory_comes_home_whoever_else_moves_or_drops_it() {
    exhausted(
        "w0 anon 0 1\nw0 w 0 0\nw0 fork 1\nstart\n\
         w0 hmm_todev 0 0 0 1 | w0 r 0 0\nw1 w 0 0\n",
        2,
    );
    exhausted(
        "w0 anon 0 1\nw0 w 0 0\nw0 hmm_todev 0 0 0 1\nw0 fork 1\nw0 fork 2\nstart\n\
         w0 r 0 0\nw1 munmap 0\nw2 get 0 0 | w2 unpin\n",
        2,
    );
}

/// Memory of a device that is taken away is everybody's home by then, whoever touches it, moves there or is about to allocate.
#[test]
fn memory_that_goes_is_left_by_everybody() {
    for (setup, beside) in [
        ("w0 hmm_todev 0 0 0 1\nw0 fork 1", "w0 r 0 0\nw1 munmap 0\n"),
        ("w0 hmm_todev 0 0 0 1\nw0 fork 1", "w0 hmm_tosys 0 0 0 1\nw1 w 0 0\n"),
        ("w0 nop", "w0 dev_alloc 0 1 | w0 dev_put 0\n"),
        ("w0 nop", "w0 hmm_todev 0 0 0 1\n"),
        ("w0 nop", "w0 hmm_unload\n"),
        ("w0 hmm_release 0\nw0 hmm_load coherent\nw0 hmm_todev 0 0 0 1", "w0 get 0 0 | w0 unpin\n"),
    ] {
        exhausted(&format!("w0 anon 0 1\nw0 w 0 0\n{setup}\nstart\n{beside}w2 hmm_release 0\n"), 2);
    }
}

/// A huge page that is in a device's memory as a whole: whoever touches it, refers to it, unmaps, moves, splits it or takes
/// it home, from whichever process, finds the same pages.
#[test]
fn a_huge_page_in_a_devices_memory_is_the_same_for_everybody() {
    for beside in [
        "w0 get 0 1 | w0 unpin\nw1 munmap 0 2 1\nw2 split_huge_pages 0 0\n",
        "w0 r 0 1\nw1 munmap 0\nw2 hmm_tosys 0 0 0 4\n",
        "w0 r 0 1\nw1 w 0 2\n",
        "w0 mremap 0 | w0 r 0 1\nw1 split_huge_pages 0 0\n",
        "w0 hmm_tosys 0 0 0 2\nw1 mremap 0\n",
        "w0 hmm_tosys 0 0 0 4 | w0 hmm_todev 0 0 0 4\nw1 get 0 3 | w1 unpin\n",
        "w0 exit\nw1 r 0 0\nw2 hmm_release 0\n",
        "w0 try_get 1 | w0 unpin\nw1 split_huge_pages 0 0\nw2 munmap 0 1 1\n",
    ] {
        let program = format!(
            "w0 anonhuge 0 4\nw0 w 0 0\nw0 hmm_todev 0 0 0 4\nw0 fork 1\nw0 fork 2\nstart\n{beside}"
        );
        exhausted_in(Era::V7_2Sound, &program, 2);
    }
    // On its way there.
    for beside in ["w1 get 0 1 | w1 unpin\n", "w1 munmap 0 1 1\n", "w1 split_huge_pages 0 0\n"] {
        let program =
            format!("w0 anonhuge 0 4\nw0 w 0 0\nw0 fork 1\nstart\nw0 hmm_todev 0 0 0 4\n{beside}");
        exhausted_in(Era::V7_2Sound, &program, 2);
    }
}

/// A layout break sleeps on the count of the page it found, and is woken by changes of that count. While it is
/// on its way, the device may go and come back and the page become a part of a huge one, which has its count
/// elsewhere: to look there is to wait for what nobody announces here.
#[test]
fn a_layout_break_looks_at_the_count_that_it_is_woken_for() {
    exhausted(
        "file f 4 huge\nw1 mmap 0 f 0 4 rw shared\nw1 mmap 1 f 0 4 rw shared odd\nw1 pin 1 1\nstart\n\
         w0 ftruncate f 0\nw1 unpin | w1 unbind | w1 bind | w1 r 0 0\n",
        1,
    );
}

/// Who takes a page out of its file asks at each mapping that it clears whether somebody has a reference besides. A mapping
/// that goes by itself, behind a reference that was taken through it, asks nobody.
#[test]
fn a_page_does_not_move_under_a_reference_whose_mapping_has_gone() {
    exhausted(
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw1 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\n\
         w0 madvise 0 soft_offline 0\nw1 get 0 0 | w1 munmap 0 | w1 unpin\n",
        2,
    );
}

/// The pages that go with the file system's device are its own: what a task has in ordinary memory, and a reference on
/// that, outlast it.
#[test]
fn ordinary_memory_outlasts_an_unbind() {
    exhausted(
        "w0 anon 0 1\nw0 w 0 0\nw1 anonhuge 0 4\nw1 w 0 0\nstart\n\
         w0 get 0 0 | w0 r 0 0 | w0 unpin\nw1 r 0 0\nw9 unbind\n",
        1,
    );
}

/// Where each entry holds its pages, a page that two files have is held twice, and idle with that count.
#[test]
fn a_block_of_two_files_counts_for_both_in_every_sound_era() {
    let set_up = "file f 1 written\nfile g 1\nw0 mmap 0 f 0 1 r shared\nw1 mmap 0 g 0 1 r shared\n\
                  w0 reflink g f\n";
    for era in Era::ALL.into_iter().filter(|era| era.sound() == *era) {
        exhausted_in(era, &format!("{set_up}start\nw0 r 0 0\nw1 r 0 0\n"), 1);
        exhausted_in(
            era,
            &format!("{set_up}w0 r 0 0\nw1 r 0 0\nstart\nw0 ftruncate f 0\nw1 munmap 0\n"),
            1,
        );
    }
}

/// A write gives one of two files a copy, and the page that it had is the other one's, whoever has a reference on it: no
/// fault, and no reason to wait. Who frees the block waits.
#[test]
fn a_page_that_two_files_have_may_be_busy_when_one_of_them_gets_a_copy() {
    let set_up = "file f 1 written\nfile g 1\nw0 mmap 0 f 0 1 rw shared\nw0 reflink g f\n";
    let alone = [
        "w0 pin 0 0\nstart\nw0 w 0 0\n",
        "w0 r 0 0\nstart\nw0 exit\nw1 pwrite f 0 1\n",
        "w0 pin 0 0\nw1 mmap 0 g 0 1 r shared\nstart\nw0 w 0 0\nw1 r 0 0\n",
        "w0 pin 0 0\nstart\nw0 unpin\nw1 pwrite f 0 1\nw1 ftruncate g 0\n",
    ];
    for era in Era::ALL.into_iter().filter(|era| era.sound() == *era) {
        for program in alone {
            exhausted_in(era, &format!("{set_up}{program}"), 1);
        }
    }
}
