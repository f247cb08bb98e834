//! The program language: what it accepts, and what it refuses with line and reason.
#![allow(clippy::unwrap_used)]

use pgmap_program::op::*;
use pgmap_program::{Issue, Program};

const ALL_OF_IT: &str = "
# a comment
file f 16 written        # a comment behind
file g 4 unwritten
file h 1024 huge

baseline
w0 spawn | w0 open 0 f rw | w0 open 1 /dev/nullb0 rw,direct
w0 mmap 0 0 0 16 rw shared odd
w0 mmap 1 h 512 512 r shared
w0 r 0 0 | w0 w 0 1 2 | w0 store 0 1 0xff | w0 load 0 1
w0 pipe 0 | w0 vmsplice 0 0 1 1
w0 fork 1 | w1 tee 0 0 1
w0 dio_write 1 0 0 1 &
w0 pin 0 0 2 longterm w | w0 dma_write | w0 dma_write - 7 | w0 unpin
w2 ftruncate f 0 &
";

#[test]
fn the_language_reads_as_documented() {
    let p = Program::parse(ALL_OF_IT).unwrap();
    assert_eq!(p.files.len(), 3);
    assert_eq!((p.files[0].state, p.files[0].layout), (FileState::Written, Layout::Contiguous));
    assert_eq!((p.files[1].state, p.files[2].layout), (FileState::Unwritten, Layout::Huge));
    assert_eq!(p.workers(), [WorkerId(0), WorkerId(1), WorkerId(2)]);
    let ops: Vec<&Op> = p.steps.iter().map(|s| &s.op).collect();
    assert_eq!(ops[0], &Op::Baseline);
    assert_eq!(
        ops[3],
        &Op::Open(Open { fd: FdNo(1), target: Target::SlowBlock, mode: OpenMode::ReadWriteDirect })
    );
    let file = FileRef::Fd(FdNo(0));
    assert_eq!(
        ops[4],
        &Op::Mmap(Mmap {
            map: MapNo(0),
            file,
            offset: 0,
            pages: 16,
            prot: Prot::ReadWrite,
            sharing: Sharing::Shared,
            align: Align::Odd,
        })
    );
    assert!(matches!(
        ops[5],
        Op::Mmap(Mmap { file: FileRef::File(FileIdx(2)), align: Align::Natural, .. })
    ));
    assert_eq!(
        ops[6],
        &Op::Touch(Touch { map: MapNo(0), access: Access::Read, page: 0, pages: 1 })
    );
    assert_eq!(ops[8], &Op::Store(Store { map: MapNo(0), page: 1, value: 255 }));
    let last = p.steps.last().unwrap();
    assert_eq!(last.op, Op::Ftruncate(Ftruncate { file: FileRef::File(FileIdx(0)), pages: 0 }));
    assert_eq!((last.who, last.issue, last.line), (Some(WorkerId(2)), Issue::Async, 16));
    assert!(p.steps.iter().enumerate().all(|(n, s)| s.n as usize == n));
}

#[test]
fn each_worker_gets_its_own_steps_in_order() {
    let p =
        Program::parse("file f 1\nw1 nop\nw0 open 0 f ro\nsleep\nw1 exit\nw0 close 0\n").unwrap();
    let lists: Vec<(u8, Vec<u32>)> = p
        .per_worker()
        .into_iter()
        .map(|(w, steps)| (w.0, steps.iter().map(|s| s.n).collect()))
        .collect();
    assert_eq!(lists, [(0, vec![1, 4]), (1, vec![0, 3])]);
}

#[test]
fn an_empty_program_is_a_program() {
    for text in ["", "\n\n", "# nothing\n", "   \t\n"] {
        assert_eq!(Program::parse(text).unwrap(), Program::default());
    }
}

#[test]
fn threads_have_one_set_of_handles_and_each_its_pins() {
    let text = "file f 4 written\nw0 thread 1\nw1 open 0 f rw\nw0 mmap 0 0 0 4 rw shared\nw1 pin 0 0\nw0 fork 2\n\
                start\nw2 munmap 0\nw0 munmap 0\nw1 w 0 0\nw1 unpin\nw1 close 0\nw0 pread 0 0 1\n";
    let program = Program::parse(text).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(program.to_string(), text);
    assert_eq!(program.workers(), [0, 1, 2].map(WorkerId));
}

#[test]
fn a_forked_child_inherits_handles_but_no_pins() {
    let made =
        "file f 4\nw0 open 0 f rw\nw0 pipe 0\nw0 mmap 0 0 0 4 rw shared\nw0 pin 0 0\nw0 fork 1\n";
    Program::parse(&format!("{made}w1 w 0 0\nw1 vmsplice 0 0 0 1\nw1 close 0\n")).unwrap();
    let e = Program::parse(&format!("{made}w1 unpin\n")).unwrap_err();
    assert_eq!(e.what, "w1 holds no pin here");
}

#[test]
fn what_a_kernel_can_be_asked_is_left_to_run_time() {
    for steps in [
        "w0 munmap 0\nw0 munmap 0\nw0 w 0 0", // unmapped twice, touched afterwards
        "w0 close 0\nw0 close 0\nw0 fsync 0", // closed twice
        "w0 close 0\nw0 mmap 1 0 0 1 rw shared", // mapped through a closed descriptor
        "w0 w 0 4000\nw0 munmap 0 100 1",     // far beyond the end
        "w0 unlink f\nw0 unlink f\nw0 open 1 f rw", // unlinked twice
        "w0 munmap 0\nw0 mmap 0 0 0 1 rw shared", // a number used again
        "w0 drain 0 1",                       // a pipe never made holds nothing
        "w0 exit\nw0 spawn\nw0 open 0 f rw",  // a worker started again
        "w0 uring_unreg\nw0 unbind\nw0 bind\nw0 umount\nw0 mount",
    ] {
        let text = format!("file f 16\nw0 open 0 f rw\nw0 mmap 0 0 0 16 rw shared\n{steps}\n");
        Program::parse(&text).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn a_range_may_end_at_the_last_page_there_is_and_not_beyond() {
    let touch = |page, pages| {
        let mapped = "file f 1\nw0 mmap 0 f 0 1 rw shared\n";
        Program::parse(&format!("{mapped}w0 w 0 {page} {pages}\n")).map(drop)
    };
    for pages in [1, 2, 77] {
        assert_eq!(touch(PAGE_MAX - pages, pages), Ok(()));
        let e = touch(PAGE_MAX - pages, pages + 1).unwrap_err();
        assert!(e.what.ends_with(&format!("reach beyond page {PAGE_MAX}")), "{e}");
    }
}

#[test]
fn a_mapping_keeps_its_number_until_all_of_it_is_unmapped() {
    let mapped = "file f 4\nw0 mmap 0 f 0 4 rw shared\n";
    let again = |unmap| Program::parse(&format!("{mapped}{unmap}\nw0 mmap 0 f 0 4 rw shared\n"));
    assert!(again("w0 munmap 0").is_ok());
    let e = again("w0 munmap 0 0 1").unwrap_err();
    assert_eq!(e.what, "w0 has mapping 0 already: munmap it first");
}

#[test]
fn a_pin_without_a_number_is_the_newest_that_is_held() {
    let held = "file f 4\nw0 mmap 0 f 0 4 rw shared\nw0 pin 0 0 | w0 pin 0 1 | w0 pin 0 2\n";
    let unpin = |which| Program::parse(&format!("{held}w0 unpin | w0 unpin {which}\n")).map(drop);
    assert_eq!((unpin("0"), unpin("1")), (Ok(()), Ok(())));
    assert_eq!(unpin("2").unwrap_err().what, "w0 gave pin 2 back already");
    let twice = format!("{held}w0 unpin 1 | w0 unpin | w0 unpin | w0 unpin 0\n");
    assert_eq!(Program::parse(&twice).unwrap_err().what, "w0 gave pin 0 back already");
}

#[test]
fn what_the_model_cannot_do_yet_is_read_and_listed_with_its_step() {
    let p = Program::parse(
        "file f 16\nw0 open 0 f rw\nw0 mmap 0 0 0 16 rw private\nw0 w 0 0\nw0 anon 1 8\nw0 w 1 0\n\
         w0 open 1 /dev/dax2.0 rw\nw0 mprotect 0 r\nw0 hmm_snapshot 0\nw0 dedupe 1 0\n",
    )
    .unwrap();
    let listed = p.unsupported();
    assert_eq!(listed.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert_eq!(listed[0].1, "device-dax (/dev/dax2.0): not supported yet");
    assert!(listed.iter().all(|(_, why)| why.ends_with("not supported yet")));
}

/// Each word of the recorder's language that the model lacks, and what else kernels do with such memory.
const LACKING: &[&str] = &[
    "w0 mprotect 0 r",
    "w0 collapse 0 0 1",
    "w0 dedupe 1 0",
    "w0 hmm_snapshot 0",
    "w0 hmm_exclusive 0",
    "w0 migrate 0 0 1",
    "w0 migrate_vma 0",
    "w0 split_file 0",
    "w0 split_folio_to_order 0 0",
    "w0 p2pdma_map 0",
    "w0 p2p 0",
    "w0 devdax_bind",
    "w0 sysfs /sys/x 1",
    "w0 sh echo hello",
    "migrate 0 0",
    "hmm_snapshot 0",
    "w0 madvise 0 14 0",
    "w0 madvise 0 hugepage 0",
    "w0 open 1 /dev/dax0.0 rw",
    "w0 open 1 f rw,sync",
    "w0 open 1 f wo",
    "w0 mmap 1 f 0 1 none shared",
    "w0 mmap 1 f 0 1 rw shared populate",
];

#[test]
fn what_the_model_lacks_is_no_typing_mistake() {
    for step in LACKING {
        let text = format!("file f 16\nw0 open 0 f rw\nw0 mmap 0 0 0 16 rw shared\n{step}\n");
        let p = Program::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        let [(2, why)] = &p.unsupported()[..] else { panic!("{step}: {:?}", p.unsupported()) };
        assert!(why.ends_with(": not supported yet"), "{step}: {why}");
        assert_eq!(Program::parse(&p.to_string()).unwrap().to_string(), p.to_string());
    }
}

#[test]
fn what_a_step_that_the_model_lacks_has_made_is_not_missed() {
    let p =
        Program::parse("w0 hmm_map 3 8\nw0 w 3 0\nw0 fork 1\nw1 pin 3 0\nw1 close 9\n").unwrap();
    assert_eq!(p.unsupported().len(), 1);
    assert!(Program::parse("w0 hmm_map 3 8\nw2 w 3 0\n").is_err());
}

#[test]
fn typing_mistakes_stay_mistakes() {
    for step in ["w0 mmpa 0 f 0 1 rw shared", "w0 spilt f 0", "w0 madvise 0 soon 0"] {
        assert!(Program::parse(&format!("file f 1\nw0 mmap 0 f 0 1 rw shared\n{step}\n")).is_err());
    }
}

#[test]
fn a_byte_order_mark_is_none_of_the_text() {
    let text = "file f 1\nw0 open 0 f rw\n";
    assert_eq!(Program::parse(&format!("\u{feff}{text}")).unwrap(), Program::parse(text).unwrap());
}

#[test]
fn a_recording_is_named_as_one() {
    for text in ["{\"schema\": \"pgmap-trace/1\",", "\n  {\n", "[1]"] {
        let e = Program::parse(text).unwrap_err();
        assert!(e.what.contains("JSON") && e.what.contains("pgmap.conform"), "{e}");
    }
}

/// Text, line of the complaint, part of its reason.
const BAD: &[(&str, u32, &str)] = &[
    ("banana", 1, "no operation is called \"banana\""),
    ("file f 1\nw0 ftruncat f 0", 2, "did you mean \"ftruncate\"?"),
    ("w0", 1, "w0 is asked to do nothing"),
    ("nop", 1, "nop needs a worker in front of it, for example w0 nop"),
    ("w0 sleep", 1, "sleep is done by the environment: leave out w0"),
    ("w0 nop extra", 1, "nop takes no arguments: \"extra\" is too much"),
    ("w64 nop", 1, "they are w0 to w63"),
    ("w999 nop", 1, "there is no worker \"w999\""),
    ("w0 nop |", 1, "there is no step here"),
    ("| w0 nop", 1, "there is no step here"),
    ("w0 nop | | w0 nop", 1, "there is no step here"),
    ("&", 1, "there is no step here"),
    ("sleep &", 1, "sleep is done at once"),
    ("w0 spawn &", 1, "spawn is done at once"),
    ("file f 1 &", 1, "a file is declared at once"),
    ("file", 1, "file takes NAME PAGES [written|unwritten] [huge]: NAME is missing"),
    ("file f", 1, "PAGES is missing"),
    ("file f 0", 1, "PAGES is 0; it must be 1 to"),
    ("file f -1", 1, "PAGES is \"-1\"; it must be a number"),
    ("file f 99999999999999999999", 1, "PAGES is 99999999999999999999; it must be 1 to"),
    ("file 9f 1", 1, "\"9f\" is no file name"),
    ("file f/g 1", 1, "\"f/g\" is no file name"),
    ("file f 1 big", 1, "\"big\" says nothing about a file"),
    ("file f 1 written unwritten", 1, "each once"),
    ("file f 1\nfile f 2", 2, "file f is declared twice"),
    ("w0 nop\nfile f 1", 2, "files are declared before the first step"),
    ("w0 open 0 f rw", 1, "no file is called \"f\": declare it with file"),
    ("file data 1\nw0 open 0 dat rw", 2, "did you mean \"data\"?"),
    ("file f 1\nw0 open 0 f", 2, "open takes FD FILE MODE: MODE is missing"),
    ("file f 1\nw0 open 0 f rx", 2, "MODE is \"rx\"; it must be ro or rw"),
    ("file f 1\nw0 open 64 f rw", 2, "FD is 64; it must be 0 to 63"),
    ("file f 1\nw0 open 0 f rw\nw0 open 0 f rw", 3, "w0 has fd 0 open already"),
    ("w0 close 0", 1, "w0 has no fd 0: no open before this step makes it"),
    ("file f 1\nw0 open 0 f rw\nw1 close 0", 3, "w1 has no fd 0"),
    ("w0 unlink f", 1, "no file is called \"f\""),
    ("w0 fsync 3", 1, "w0 has no fd 3"),
    ("w0 ftruncate", 1, "ftruncate takes FD PAGES: FD is missing"),
    ("file f 1\nw0 ftruncate f", 2, "PAGES is missing"),
    ("file f 1\nw0 ftruncate f x", 2, "PAGES is \"x\"; it must be a number"),
    ("file f 1\nw0 punch f 0 0", 2, "N is 0; it must be 1 to"),
    ("file f 1\nw0 pread f 268435455 2", 2, "2 pages from page 268435455 on reach beyond"),
    ("file f 1\nw0 pwrite f 268435456 1", 2, "PAGE is 268435456; it must be 0 to"),
    ("file f 1\nw0 mmap 0 f 0 1 z shared", 2, "PROT is \"z\"; it must be r or rw"),
    ("file f 1\nw0 mmap 0 f 0 1 rw common", 2, "it must be shared or private"),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared even", 2, "\"even\" is too much"),
    ("file f 1\nw0 mmap 0 f 0 0 rw shared", 2, "N is 0"),
    (
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 mmap 0 f 0 1 rw shared",
        3,
        "w0 has mapping 0 already",
    ),
    ("w0 open 0 /dev/nullb0 rw\nw0 mmap 0 0 0 1 rw shared", 2, "is the slow block device"),
    ("w0 munmap 0", 1, "w0 has no mapping 0: no mmap before this step makes it"),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 munmap 0 0", 3, "N is missing"),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nw1 r 0 0", 3, "w1 has no mapping 0"),
    ("w0 w 0 0", 1, "w0 has no mapping 0"),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 store 0 0", 3, "VALUE is missing"),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 store 0 0 0xg", 3, "VALUE is \"0xg\""),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 store 0 0 0x", 3, "VALUE is \"0x\""),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 madvise 0 7 0", 3, "ADVICE is \"7\"; it must be 4"),
    ("w0 pipe 0\nw0 pipe 0", 2, "w0 has pipe 0 already"),
    ("file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 vmsplice 0 0 0 1", 3, "w0 has no pipe 0"),
    ("w0 pipe 0\nw0 tee 0 1 1", 2, "w0 has no pipe 1"),
    ("w0 pipe 0\nw0 drain 0 0", 2, "N is 0"),
    (
        "file f 1\nw0 open 0 f rw\nw0 mmap 0 0 0 1 rw shared\nw0 dio_write 0 0 0 1",
        4,
        "fd 0 of w0 is a file",
    ),
    ("w0 pvmread 1 0 0 1", 1, "w1 is not running"),
    ("w1 nop\nw0 pvmread 1 0 0 1", 2, "w1 has no mapping 0"),
    ("w0 unpin", 1, "w0 holds no pin here"),
    ("w0 dma_read 0", 1, "w0 has made 0 pins so far"),
    (
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 get 0 0\nw0 unpin 0\nw0 unpin 0",
        5,
        "w0 gave pin 0 back already",
    ),
    (
        "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 pin 0 0 1 x",
        3,
        "access is \"x\"; it must be r or w",
    ),
    ("w0 spawn\nw0 spawn", 2, "w0 is running already"),
    ("w0 fork 0", 1, "w0 is running already"),
    ("w1 nop\nw0 fork 1", 2, "w1 is running already"),
    ("w0 fork x", 1, "\"x\" is no worker"),
    ("w0 thread 0", 1, "w0 is running already"),
    ("w1 nop\nw0 thread 1", 2, "w1 is running already"),
    ("start\nw0 thread 1", 2, "threads begin before"),
    (
        "file f 1\nw0 thread 1\nw0 mmap 0 f 0 1 rw shared\nw1 pin 0 0\nw0 unpin",
        5,
        "w0 holds no pin here",
    ),
    (
        "file f 1\nw0 thread 1\nw0 mmap 0 f 0 1 rw shared\nw1 mmap 0 f 0 1 rw shared",
        4,
        "w1 has mapping 0 already",
    ),
    ("w0 exit\nw0 nop", 2, "w0 left on line 1"),
    ("w0 kill\nw0 kill", 2, "w0 left on line 1"),
    ("w0 nop\nend\nw0 nop", 3, "every worker was killed on line 2"),
    ("wait w3", 1, "w3 has done nothing yet"),
    ("wait 0 0", 1, "too much"),
    ("w0 umount mnt", 1, "PATH is \"mnt\"; it must begin with /"),
    ("w0 umount /a\nw0 mount /b", 2, "mounted at /a, and a program has one"),
    ("file f 1\nw0 write g 0 1", 2, "no operation is called \"write\" (did you mean \"pwrite\"?)"),
    ("w0 nöp", 1, "no operation is called \"nöp\""),
    ("\u{0} \u{7f}", 1, "no operation is called"),
];

#[test]
fn bad_input_is_refused_with_its_line_and_a_reason() {
    assert!(BAD.len() >= 40);
    for (text, line, reason) in BAD {
        match Program::parse(text) {
            Ok(p) => panic!("{text:?} was read as {p}"),
            Err(e) => {
                assert_eq!(e.line, *line, "{text:?}: {e}");
                assert!(e.what.contains(reason), "{text:?}: {e}");
                let shown = text.lines().nth(*line as usize - 1).unwrap();
                assert_eq!(e.text, shown, "the complaint shows the line");
                assert!(
                    (1..=shown.chars().count() as u32 + 1).contains(&e.column),
                    "{text:?}: {e}"
                );
            }
        }
    }
}

#[test]
fn a_complaint_points_at_the_word() {
    let e = Program::parse("file f 1\n  w0 nop | w0 ftruncate f zero &").unwrap_err();
    assert_eq!((e.line, e.column), (2, 27));
    assert_eq!(
        e.to_string(),
        "line 2, column 27: PAGES is \"zero\"; it must be a number, in \"  w0 nop | w0 ftruncate f zero &\""
    );
}

#[test]
fn too_many_files_are_refused() {
    let text: String =
        (0..=pgmap_program::parse::FILES_MAX).map(|n| format!("file f{n} 1\n")).collect();
    let e = Program::parse(&text).unwrap_err();
    assert_eq!((e.line, e.what.as_str()), (257, "a program has at most 256 files"));
}

#[test]
fn every_operation_of_the_table_is_read_by_the_parser() {
    for Said { word, .. } in Operation::words() {
        for text in [word.to_owned(), format!("w0 {word}")] {
            if let Err(e) = Program::parse(&text) {
                assert!(!e.what.contains("no operation is called"), "{e}");
            }
        }
    }
}

#[test]
fn what_comes_before_start_is_set_up() {
    let p =
        Program::parse("file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 r 0 0\nw1 ftruncate f 0")
            .unwrap();
    let (set_up, rest) = p.halves();
    assert_eq!((set_up.len(), rest.len()), (1, 2));
    let each: Vec<_> = p.per_worker().into_iter().map(|(w, steps)| (w.0, steps.len())).collect();
    assert_eq!(each, [(0, 1), (1, 1)]);

    let p = Program::parse("file f 1\nw1 ftruncate f 0").unwrap();
    assert_eq!((p.halves().0.len(), p.halves().1.len()), (0, 1));

    let twice = Program::parse("w0 nop\nstart\nw0 nop\nstart").unwrap_err();
    assert!(twice.to_string().contains("started on line 2 already"), "{twice}");
}
