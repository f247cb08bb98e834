//! Recordings of real kernels are read whole and strictly.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use pgmap_program::op::{FdNo, Ftruncate, Layout, WorkerId};
use pgmap_program::recording::{Asked, LargeMap, PageState};
use pgmap_program::{Era, Issue, Op, Program, Recording, RecordingError};
use serde_json::{Value, json};

fn fixtures() -> Vec<(String, String)> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/traces/6.16");
    let mut all: Vec<(String, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

fn fixture(name: &str) -> Value {
    let (_, text) = fixtures().into_iter().find(|(n, _)| n == name).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn read(value: &Value) -> Result<Recording, RecordingError> {
    Recording::from_json(&value.to_string())
}

/// The complaint about the recording of a truncate after a change.
fn complaint(change: impl Fn(&mut Value)) -> String {
    let mut value = fixture("ext4_truncate_while_ref");
    assert!(read(&value).is_ok());
    change(&mut value);
    read(&value).expect_err("must be refused").to_string()
}

#[test]
fn every_committed_recording_loads_and_can_be_replayed() {
    let all = fixtures();
    assert!(!all.is_empty());
    for (name, text) in all {
        let r = Recording::from_json(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(r.scenario, name);
        assert_eq!(r.unsupported(), [""; 0], "{name}");
        assert_eq!(r.era(), Some(Era::V6_15));
        assert_eq!(r.steps().len(), r.program().steps.len());
        assert!(r.steps().all(|(step, seen)| step.n == step.line && !seen.expect.pages.is_empty()));
    }
}

#[test]
fn a_recorded_file_is_huge_from_one_pmd_on() {
    let layout = |pages: u32| {
        let mut value = fixture("ext4_truncate_while_ref");
        value["file"] = json!(format!("f6 {pages} written ret 0"));
        read(&value).unwrap().program().files[0].layout
    };
    assert_eq!([511, 512, 513].map(layout), [Layout::Contiguous, Layout::Huge, Layout::Huge]);
}

#[test]
fn a_recordings_program_is_a_program_in_text_too() {
    for (name, text) in fixtures() {
        let r = Recording::from_json(&text).unwrap();
        let makes_files = r.program().files.iter().any(|file| file.pages == 0);
        if r.dev_dax.is_some() || makes_files {
            // A program has no device-dax, and all of its files from the beginning.
            continue;
        }
        let mut read =
            Program::parse(&r.program().to_string()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for step in &mut read.steps {
            step.line = step.n;
        }
        assert_eq!(&read, r.program(), "{name}");
    }
}

/// What whoever held tasks writes beside the steps is kept, and asks nothing of the kernel.
#[test]
fn a_look_at_a_sleeping_worker_asks_nothing() {
    let mut value = fixture("ext4_truncate_while_ref");
    value["forced"] = json!("tasks were held");
    let steps = value["steps"].as_array_mut().unwrap();
    let next = steps.len();
    steps.push(json!({"n": next, "op": "stack", "args": ["w0"], "evidence": ["wchan pipe_read"]}));
    steps.push(json!({"n": next + 1, "op": "sleep", "args": ["2"], "detail": "slept"}));
    let r = read(&value).unwrap();
    let (look, seen) = r.steps().nth(next).unwrap();
    assert_eq!(
        (&look.op, look.who, &seen.evidence[..]),
        (&Op::Nop, None, &["wchan pipe_read".to_owned()][..])
    );
    let (sleep, seen) = r.steps().nth(next + 1).unwrap();
    assert_eq!((&sleep.op, &*seen.detail, &*r.forced), (&Op::Sleep, "slept", "tasks were held"));
    assert_eq!(r.unsupported(), [""; 0]);
    value["steps"][next]["args"] = json!(["nobody"]);
    assert!(read(&value).is_err());
}

/// What only a recorder asks for is read strictly, too, and stands in the program as it was recorded.
#[test]
fn what_a_recorder_asks_for_is_no_operation() {
    let step = |op: &str, args: &[&str]| {
        let mut value = fixture("ext4_truncate_while_ref");
        let steps = value["steps"].as_array_mut().unwrap();
        let next = steps.len();
        steps.push(json!({"n": next, "op": op, "args": args, "who": "w0"}));
        read(&value)
    };
    let asked = |op: &str, args: &[&str]| {
        let recording = step(op, args).unwrap();
        assert_eq!(recording.unsupported(), [""; 0], "{op}");
        recording.observed.last().unwrap().asked.clone().expect("asked by a recorder")
    };
    let place = "kill_dax+0x2f".to_owned();
    let hold = Asked::Hold { hold: 0, place, worker: WorkerId(1) };
    assert_eq!(asked("sp", &["add", "0", "kill_dax+0x2f", "w1", "1", "sleep"]), hold);
    assert_eq!(asked("sp", &["go", "0"]), Asked::Release { hold: 0 });
    assert_eq!(asked("held", &["0", "10"]), Asked::Held { hold: 0 });
    let fill = Asked::Fill { fd: FdNo(2), value: 0xbb, page: 0, pages: 512 };
    assert_eq!(asked("fill", &["2", "0xbb", "0", "512"]), fill);
    for (op, args) in [
        ("sp", vec!["add", "0", "kill_dax", "w1", "1", "dance"]),
        ("sp", vec!["stop", "0"]),
        ("held", vec!["it"]),
        ("fill", vec!["0", "256", "0", "1"]),
        ("hog", vec![]),
    ] {
        assert!(step(op, &args).is_err(), "{op} {args:?}");
    }
    let text = step("fpeek", &["0", "1"]).unwrap().program().to_string();
    assert!(text.ends_with("w0 fpeek 0 1\n"), "{text}");
}

/// Whoever holds tasks writes zeros of large folios and lists of what came back in fewer words.
#[test]
fn what_a_holder_of_tasks_leaves_out_is_known() {
    let mut value = fixture("ext4_pte_lifecycle");
    let page = json!({"ref": 1, "map": 0, "order": 9, "mapping": true});
    value["steps"][3]["pages"] = json!({"0": page, "1": {"ref": 0, "map": 0, "tail_of": 1}});
    value["steps"][3]["completes_at"] = json!(5);
    let plain = read(&value).unwrap();
    value["forced"] = json!("tasks were held");
    let forced = read(&value).unwrap();
    let words = |recording: &Recording| {
        let pages = &recording.observed[3].expect.pages;
        (pages[&0].pin, pages[&0].entire_map, pages[&1].tail_of)
    };
    assert_eq!(
        (words(&plain), words(&forced)),
        ((None, None, Some(1)), (Some(0), Some(0), Some(-1)))
    );
    assert_eq!(plain.completed_in(5), []);
    let came_back: Vec<u32> = forced.completed_in(5).iter().map(|it| it.step).collect();
    assert_eq!(came_back, [3]);
}

/// ext4 holds no device, and is not told that one goes.
#[test]
fn what_the_file_system_is_decides_who_holds_the_device() {
    let of = |family: &str| {
        let mut value = fixture("ext4_pte_lifecycle");
        value["family"] = json!(family);
        read(&value).unwrap().rules(Era::V6_15)
    };
    assert_eq!(of("xfs"), Era::V6_15.rules());
    assert_eq!(of("ext4").differences(&Era::V6_15.rules()), [("holder", "none")]);
}

#[test]
fn nothing_recorded_is_lost_on_the_way() {
    for (name, text) in fixtures() {
        let raw: Value = serde_json::from_str(&text).unwrap();
        let r = Recording::from_json(&text).unwrap();
        for ((step, seen), raw) in r.steps().zip(raw["steps"].as_array().unwrap()) {
            let e = &seen.expect;
            let flag = |key: &str| raw.get(key).is_some_and(|v| v == true);
            assert_eq!(e.ret, raw.get("ret").and_then(Value::as_i64), "{name} {}", step.n);
            assert_eq!(e.returned(), raw["ret"].as_i64().unwrap_or(0));
            assert_eq!(
                (e.blocked, e.in_flight, e.died),
                (flag("blocked"), flag("in_flight"), flag("died"))
            );
            assert_eq!(e.asynchronous, step.issue == Issue::Async);
            assert_eq!(e.asynchronous, flag("async"));
            assert_eq!(e.completes_at.map(u64::from), raw["completes_at"].as_u64());
            assert_eq!(
                e.still_blocked.map(|w| json!(w.to_string())),
                raw.get("still_blocked").cloned()
            );
            assert_eq!(e.completed_now.len(), raw["completed_now"].as_array().map_or(0, Vec::len));
            let pages = raw["pages"].as_object().unwrap();
            assert_eq!(e.pages.len(), pages.len());
            for (page, state) in &e.pages {
                let raw = &pages[&page.to_string()];
                let number = |key: &str| raw.get(key).and_then(Value::as_i64);
                assert_eq!((state.refcount, state.map), (number("ref"), number("map")));
                assert_eq!(state.order.map(i64::from), number("order"));
                assert_eq!(
                    (state.large_map.and_then(LargeMap::count), state.entire_map),
                    (number("large_map"), number("entire_map"))
                );
                assert_eq!((state.pin, state.tail_of), (number("pin"), number("tail_of")));
                assert_eq!(state.share, raw.get("share").and_then(Value::as_u64));
                assert_eq!(state.mapping, raw.get("mapping").is_some_and(|v| v == true));
                let named = state.mapped_by.as_ref().map(BTreeSet::len);
                assert_eq!(named, raw.get("mapped_by").and_then(Value::as_array).map(Vec::len));
            }
        }
    }
}

#[test]
fn a_blocked_truncate_is_read_with_the_step_that_lets_it_go() {
    let r = read(&fixture("ext4_refault_while_truncating")).unwrap();
    let all: Vec<_> = r.steps().collect();
    let (truncate, seen) = all[9];
    assert!(matches!(truncate.op, Op::Ftruncate(Ftruncate { pages: 0, .. })));
    assert!(seen.expect.blocked);
    assert_eq!(seen.expect.completes_at, Some(13));
    assert_eq!(all[13].1.expect.completed_now[0].step, 9);
    assert_eq!(all[12].1.expect.still_blocked.map(|w| w.0), Some(1));
    assert_eq!(all[4].1.expect.pages[&1].mapped_by, Some(BTreeSet::from(["w0/m0".to_owned()])));
}

#[test]
fn an_altered_key_is_refused_by_name() {
    for (change, named) in [
        ((|v| v["extra"] = json!(1)) as fn(&mut Value), "`extra`"),
        (|v| v["steps"][3]["retv"] = json!(0), "`retv`"),
        (|v| v["steps"][3]["pages"]["0"]["refs"] = json!(0), "`refs`"),
        (|v| v["steps"][3]["pages"]["x"] = json!({}), "\"x\" is no page number"),
        (|v| v["steps"][3]["pages"]["00"] = json!({}), "\"00\" is no page number"),
        (|v| v["steps"][3]["pages"]["0"]["order"] = json!(null), "invalid type: null"),
        (|v| v["steps"][3]["ret"] = json!("0"), "invalid type: string"),
        (|v| v["steps"][3]["ret"] = json!(1.5), "invalid type: floating point"),
        (|v| v["steps"][3]["blocked"] = json!(1), "invalid type: integer"),
        (|v| v["steps"][3]["completed_now"] = json!([{"step": 1, "actor": "w0"}]), "`ret`"),
        (
            |v| v["steps"][3]["completed_now"] = json!([{"step": 1, "actor": "x", "ret": 0}]),
            "\"x\" is no worker",
        ),
        (|v| v["steps"][3]["still_blocked"] = json!("nobody"), "\"nobody\" is no worker"),
        (
            |v| v["steps"][3]["pages"]["0"]["mapped_by"] = json!(["w0/m0", "w0/m0"]),
            "names w0/m0 twice",
        ),
        (
            |v| {
                v.as_object_mut().unwrap().remove("kernel");
            },
            "missing field `kernel`",
        ),
        (
            |v| {
                v.as_object_mut().unwrap().remove("steps");
            },
            "missing field `steps`",
        ),
        (|v| v["steps"] = json!([]), "no steps"),
        (|v| v["schema"] = json!("pgmap-trace/2"), "pgmap-trace/2"),
        (|v| v["file"] = json!("f6 16 written ret -28"), "failed to make the file"),
        (|v| v["file"] = json!("f6 many written ret 0"), "no number of pages"),
        (|v| v["file"] = json!("f6 16 torn ret 0"), "neither written nor unwritten"),
        (|v| v["file"] = json!("f6"), "NAME PAGES"),
        (|v| v["steps"][3]["n"] = json!(4), "step 4: it is in place 3"),
        (|v| v["steps"][3]["op"] = json!("mmapp"), "step 3: no operation is called \"mmapp\""),
        (|v| v["steps"][3]["who"] = json!("me"), "step 3: \"me\" is no worker"),
        (|v| v["steps"][3]["args"] = json!(["0"]), "step 3: mmap takes M FD OFFSET"),
        (|v| v["steps"][3]["args"] = json!([0, 0]), "invalid type: integer"),
    ] {
        let said = complaint(change);
        assert!(said.contains(named), "{said:?} should mention {named}");
    }
}

#[test]
fn a_page_or_key_listed_twice_is_refused() {
    let text = fixture("ext4_truncate_while_ref").to_string();
    for (from, to, named) in [
        (r#""pages":{"0":"#, r#""pages":{"0":{},"0":"#, "page 0 is listed twice"),
        (r#""family":"ext4""#, r#""family":"ext4","family":"xfs""#, "duplicate field `family`"),
    ] {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text);
        let said = Recording::from_json(&altered).unwrap_err().to_string();
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn an_altered_observation_loads_and_is_left_to_the_replay() {
    let mut value = fixture("ext4_truncate_while_ref");
    value["steps"][4]["pages"]["0"]["ref"] = json!(77);
    value["steps"][9]["completes_at"] = json!(3);
    let r = read(&value).unwrap();
    assert_eq!(r.observed[4].expect.pages[&0].refcount, Some(77));
}

#[test]
fn text_that_is_no_recording_is_refused() {
    for text in ["", "{", "[]", "null", "42", "\"x\"", "{}", "\u{0}"] {
        let e = Recording::from_json(text).unwrap_err();
        assert!(matches!(e, RecordingError::Shape(_)), "{text:?}: {e}");
    }
}

#[test]
fn what_cannot_be_replayed_yet_says_why() {
    let why = |change: fn(&mut Value)| {
        let mut value = fixture("ext4_pte_lifecycle");
        change(&mut value);
        read(&value).unwrap().unsupported().join("; ")
    };
    assert_eq!(why(|_| ()), "");
    assert_eq!(why(|v| v["kernel"] = json!("4.19.1")), "kernel 4.19.1: it is older than every era");
    assert_eq!(why(|v| v["family"] = json!("hmm")), "hmm recordings: not supported yet");
    assert_eq!(
        why(|v| v["steps"][3]["args"][4] = json!("rwx")),
        "step 3: mappings with protection rwx: not supported yet"
    );
}

#[test]
fn who_maps_a_page_is_known_unless_it_is_mapped_and_nobody_is_named() {
    let state = |text: &str| serde_json::from_str::<PageState>(text).unwrap();
    let nobody = Some(BTreeSet::new());
    assert_eq!(state(r#"{"ref": 1, "map": 0, "order": 0}"#).mappers(), nobody);
    assert_eq!(state(r#"{"ref": 1, "map": 1, "mapped_by": []}"#).mappers(), nobody);
    for mapped in [
        r#"{"ref": 1, "map": 1, "order": 0}"#,
        r#"{"ref": 1, "map": 0, "order": 9, "entire_map": 1}"#,
        r#"{"ref": 1, "map": 0, "order": 9, "large_map": 1}"#,
        r#"{"ref": 1, "map": 0, "tail_of": -3}"#,
    ] {
        assert_eq!(state(mapped).mappers(), None, "{mapped}");
    }
}

#[test]
fn a_byte_order_mark_is_none_of_the_text() {
    let text = json!({"schema": "x"}).to_string();
    assert_eq!(Recording::from_json(&format!("\u{feff}{text}")), Recording::from_json(&text));
}

#[test]
fn a_program_is_named_as_one() {
    let told = Recording::from_json("file f 1\nw0 open 0 f rw\n").unwrap_err();
    assert_eq!(told, RecordingError::Program);
    assert!(told.to_string().contains("pgmap.explore"), "{told}");
    assert!(matches!(Recording::from_json("file f"), Err(RecordingError::Shape(_))));
}
