//! Programs in which a step of the protocol shows that no rule names: with the step as it is they are
//! exhausted, without it they fail. Which mistakes they tell is said in `tests/mutants`.

mod failing;

use pgmap_explore::{Ends, Verdict, explore};
use pgmap_program::Era;
use pgmap_sched::{Control, Plan};

/// What a step is there for, the bound at which its absence shows, and the program.
const STEPS: &[(&str, u32, &str)] = &[
    (
        "a page that leaves its folio while GUP takes the reference is looked up again: the entry is the \
         same afterwards, and the old head is somebody else's page",
        1,
        "\
file f 4 huge
file g 8
file h 4
w1 mmap 0 f 0 4 rw shared odd
w1 mmap 1 f 0 4 rw shared
w1 w 1 0 | w1 w 0 3
start
w0 pvmread w1 0 3 1
w1 ftruncate f 0 | w1 ftruncate f 4 | w1 w 0 3 | w1 w 0 0
",
    ),
    (
        "a process that is counted is looked at again: its place may be another one's by then, whose memory \
         would be read",
        1,
        "\
file f 1 written
w0 spawn
w1 mmap 0 f 0 1 rw shared | w1 munmap 0
start
a: w0 pvmread w1 0 0 1
w1 exit
w2 spawn | w2 mmap 0 f 0 1 rw shared
never a = ok
",
    ),
    (
        "a page that is not mapped any more moves only if nobody refers to it",
        1,
        "\
file f 1 written
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 get 0 0
w0 munmap 0
start
w0 exit
w1 madvise 0 101 0
",
    ),
    (
        "a grab of several pages that fails gives all of them back: truncate waits for the last",
        1,
        "\
file f 4 huge
w0 mmap 0 f 0 4 rw shared
w0 w 0 0
start
w0 pin 0 0 4 | w0 unpin
w1 ftruncate f 0
",
    ),
    (
        "the pincount goes down before the reference that keeps the folio large",
        1,
        "\
file f 4 huge
w0 mmap 0 f 0 4 rw shared
w1 mmap 0 f 0 4 rw shared
w0 w 0 0 | w0 pin 0 0 2
start
w0 unpin
w1 zerorange f 0 4 | w1 w 0 0
",
    ),
    (
        "whoever waits for the placeholder of a PMD is woken when it makes room for a page",
        1,
        "\
file f 4 unwritten
w0 mmap 0 f 0 4 rw shared
w1 mmap 0 f 0 4 rw shared odd
w2 mmap 0 f 0 4 rw shared odd
start
w0 r 0 1
w1 r 0 2
w2 r 0 3
",
    ),
    (
        "the device is marked dead before its readers are waited for: a fault that begins in between maps \
         a page of a dead device",
        2,
        "\
file f 1
w0 mmap 0 f 0 1 rw shared
start
w0 w 0 0
w1 unbind
",
    ),
    (
        "a page is nobody's before its block is given back: the next owner's life is not overwritten",
        2,
        "\
file f 1
file g 8
file h 7
w1 mmap 0 h 0 8 rw shared
start
w0 ftruncate f 0
w1 pwrite h 7 1 | w1 r 0 7 | w1 r 0 7
",
    ),
    (
        "a write that was woken and does not take the entry passes its wake-up on",
        1,
        "\
file f 1 unwritten
w0 mmap 0 f 0 1 rw shared
w2 mmap 0 f 0 1 rw shared
start
w0 r 0 0
w1 pwrite f 0 1
w2 r 0 0
",
    ),
    (
        "a huge fault that was woken and gives way to a page passes its wake-up on",
        1,
        "\
file f 4 unwritten
w0 mmap 0 f 0 4 rw shared odd
w1 mmap 0 f 0 4 rw shared
w2 mmap 0 f 0 4 rw shared odd
start
w0 r 0 0
w1 r 0 1
w2 r 0 0
",
    ),
    (
        "a page that moves is given up after GUP has put what it took in passing",
        3,
        "\
file f 1
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 pin 0 0 | w0 unpin
w1 madvise 0 soft_offline 0
",
    ),
    (
        "a page that a full pipe has no room for is put",
        0,
        "\
file f 1
w0 mmap 0 f 0 1 rw shared
w0 pipe 0 | w0 vmsplice 0 0 0 1 | w0 vmsplice 0 0 0 1 | w0 vmsplice 0 0 0 1 | w0 vmsplice 0 0 0 1
start
w0 vmsplice 0 0 0 1 | w0 drain 0 4
w1 ftruncate f 0
",
    ),
];

#[test]
fn every_step_is_walked_by_a_program_that_is_exhausted() {
    for (what, bound, program) in STEPS {
        let scenario = failing::scenario(program, Era::V6_15Sound, &[]);
        let plan = Plan { bound: Some(*bound), ..Plan::default() };
        let verdict =
            explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go).expect("a scenario");
        assert!(matches!(verdict, Verdict::Exhausted { .. }), "{what}: {verdict:?}");
    }
}
