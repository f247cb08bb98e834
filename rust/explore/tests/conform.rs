//! The recordings of four kernels, replayed: the model does what the kernel did, and an altered recording or a
//! wrong rule is noticed at the step where it shows.

mod mutants;

use std::fs;
use std::path::PathBuf;

use pgmap_explore::conform::{Conformance, Options, conform};
use pgmap_program::{Era, Recording};
use serde_json::Value;

use mutants::sampled;

/// Recordings of each kernel that are equal.
const KERNELS: [(&str, usize); 4] = [("6.1", 58), ("6.12", 58), ("6.16", 58), ("7.2", 79)];

fn fixtures(kernel: &str) -> Vec<(String, String)> {
    let traces = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/traces");
    let mut all: Vec<(String, String)> = fs::read_dir(traces.join(kernel))
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a recording"))
        })
        .collect();
    all.sort();
    all
}

fn fixture(name: &str) -> String {
    let found = fixtures("6.16").into_iter().find(|(known, _)| known == name);
    found.expect("a fixture of that name").1
}

fn replay(text: &str, options: &Options) -> Conformance {
    let recording = Recording::from_json(text).expect("a recording");
    conform(&recording, options).expect("a machine")
}

/// The recordings in which the kernel itself does what the model complains of: a known race of its era.
fn is_of_a_known_race(kernel: &str, name: &str) -> bool {
    let unwaited = [
        "umount_while_ref_e2",
        "ext4_unlink_refault",
        "xfs_unlink_refault",
        "ext4_unlink_close_while_ref",
        "xfs_unlink_close_while_ref",
    ];
    // Whoever held tasks did so to meet them.
    let forced = name.starts_with("C1_") && name != "C1_ext4_pte_control"
        || name.starts_with("C2_")
        || ["C4_ext4_insert_entry", "C5_xfs_before_shutdown"].contains(&name);
    let unbound = ["devdax2m_unbind_ref", "ext4_unbind_mounted_ref"];
    // Later it does not come to the end of the struct pages.
    let unbound_to_its_end = name == "xfs_unbind_mounted_ref";
    forced
        || unbound.contains(&name)
        || matches!(kernel, "6.1" | "6.12") && (unwaited.contains(&name) || unbound_to_its_end)
        || kernel == "6.1" && name == "xfs_reflink_share"
}

#[test]
fn every_recording_is_equal_at_every_step() {
    let mut wrong = Vec::new();
    for (kernel, many) in KERNELS {
        let all = fixtures(kernel);
        assert_eq!(all.len(), many, "{kernel}");
        for (name, text) in &all {
            let result = replay(text, &Options::default());
            let complains = !result.complaints.is_empty();
            if !result.equal() || result.nearest || complains != is_of_a_known_race(kernel, name) {
                wrong.push(format!("{kernel} {name}: {result:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// What each era does otherwise decides something that was recorded: with the rule of another era some recording of the
/// kernel differs.
#[test]
fn a_wrong_rule_of_an_era_is_told_from_the_kernel() {
    let planted = [
        ("6.1", "dax-pages=normal"),
        ("6.1", "layout-entries=removed"),
        ("6.1", "share-reset=kept-at-order-0"),
        ("6.1", "dio-ref=pin"),
        ("6.1", "bio-put=wakes"),
        ("6.1", "holder=xfs"),
        ("6.1", "share-count=marked"),
        ("6.12", "dax-pages=normal"),
        ("6.12", "layout-entries=removed"),
        ("6.12", "dio-ref=get"),
        ("6.12", "share-count=counted"),
        ("6.12", "share-count=on-write"),
        ("6.12", "failed-range=wraps"),
        ("6.16", "dax-pages=devmap"),
        ("6.16", "layout-entries=kept"),
        ("6.16", "layout-scan=while-mapped"),
        ("6.16", "share-reset=cleared"),
        ("6.16", "share-count=marked"),
        ("6.16", "failed-range=exact"),
        ("7.2", "share-reset=kept-at-order-0"),
        ("7.2", "evict-wait=none"),
        ("7.2", "exit-fput=pipes-first"),
        ("7.2", "zap-none-pmd=lock"),
        ("7.2", "write-invalidate=zero-only"),
        ("7.2", "fault-liveness=insertion"),
        ("7.2", "holder=none"),
        ("7.2", "unbind-order=shutdown-then-zap"),
    ];
    for (kernel, assignment) in planted {
        let differs = fixtures(kernel)
            .into_iter()
            .any(|(_, text)| !replay(&text, &wrong(&text, assignment)).equal());
        assert!(differs, "{kernel}: {assignment} makes no difference");
    }
}

/// As a recording is replayed, but for one rule.
fn wrong(text: &str, assignment: &str) -> Options {
    let recording = Recording::from_json(text).expect("a recording");
    let mut rules = recording.rules(recording.era().expect("an era"));
    rules.apply(assignment).expect("a rule");
    Options { rules: Some(rules), ..Options::default() }
}

/// Recordings in which tasks were held, each with a rule under which the model does something else: the mended value of
/// the race that was forced, or the wrong one of what held. Of two nothing decides but where the task is held.
const FORCED: [(&str, Option<&str>); 12] = [
    ("C1_ext4_pte_control", None),
    ("C1_ext4_zap_trunc", Some("zap-none-pmd=lock")),
    ("C1_xfs_mremap_reuse", Some("zap-none-pmd=lock")),
    ("C1_xfs_zap_reuse", Some("zap-none-pmd=lock")),
    ("C2_ext4_pte_ref_refault", Some("write-invalidate=zero-only")),
    ("C2_ext4_pte_ref_reuse", Some("write-invalidate=zero-only")),
    ("C2_xfs_pmd_ref_reuse", Some("write-invalidate=zero-only")),
    ("C4_ext4_insert_entry", Some("fault-liveness=insertion")),
    ("C4_xfs_insert_entry", Some("holder=none")),
    ("C5_xfs_after_notify", Some("holder=none")),
    ("C5_xfs_before_shutdown", Some("unbind-order=shutdown-then-zap")),
    ("C6_ext4", None),
];

/// The first step at which a recording differs.
fn parts_at(text: &str, options: &Options) -> Option<u32> {
    replay(text, options).difference.map(|difference| difference.step)
}

#[test]
fn a_held_interleaving_is_told_from_any_other() {
    let all = fixtures("7.2");
    let of = |name: &str| all.iter().find(|it| it.0 == name).expect("a fixture").1.clone();
    for (name, rule) in FORCED {
        let text = of(name);
        let steps = |value: &Value, op: &str, first: &str| {
            let step = value["steps"].as_array().expect("steps").iter().position(|step| {
                step["op"] == op && step["args"][0].as_str().is_none_or(|it| it == first)
            });
            step.expect("such a step")
        };
        if let Some(rule) = rule {
            assert!(parts_at(&text, &wrong(&text, rule)).is_some(), "{name}: {rule}");
        }
        // Nobody is held: whoever should be does not stay in its call.
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        let add = steps(&value, "sp", "add");
        value["steps"][add]["args"][3] = "w7".into();
        assert_eq!(
            parts_at(&value.to_string(), &Options::default()),
            Some(add as u32 + 1),
            "{name}"
        );
        // Whoever is held is never let go.
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        let go = steps(&value, "sp", "go");
        value["steps"][go]["args"][1] = "9".into();
        let parts = parts_at(&value.to_string(), &Options::default());
        // The call never returns; of one that ended in an oops it is the wait for its process that does not.
        let expected = if name == "C4_ext4_insert_entry" { go + 1 } else { add + 1 };
        assert_eq!(parts, Some(expected as u32), "{name}");
    }
}

/// The kernel's process dies of an oops; so does the model's, at the same step, and nowhere else.
#[test]
fn who_dies_of_an_oops_dies_in_the_model() {
    // In umount it is gone at once; in munmap it stays, for its own exit waits for mmap_lock.
    for (kernel, name, at, word) in [
        ("6.1", "ext4_unbind_mounted_ref", 16, "died"),
        ("6.1", "xfs_unbind_mounted_ref", 16, "died"),
        ("6.12", "ext4_unbind_mounted_ref", 16, "died"),
        ("6.16", "ext4_unbind_mounted_ref", 12, "blocked"),
        ("7.2", "ext4_unbind_mounted_ref", 12, "blocked"),
    ] {
        let text = fixtures(kernel).into_iter().find(|it| it.0 == name).expect("a fixture").1;
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        let step = value["steps"][at].as_object_mut().expect("a step");
        assert_eq!(step.remove(word), Some(true.into()), "{kernel} {name}");
        assert_eq!(
            parts_at(&value.to_string(), &Options::default()),
            Some(at as u32),
            "{kernel} {name}"
        );
        // Where somebody is told that the device goes, or waits for the pages, nobody dies.
        for rule in ["holder=xfs", "teardown-pages=wait-idle"] {
            let parts = parts_at(&text, &wrong(&text, rule));
            assert!(
                parts.is_some_and(|parts| parts <= at as u32),
                "{kernel} {name} {rule}: {parts:?}"
            );
        }
    }
}

#[test]
fn a_place_that_nobody_knows_is_named() {
    let text = fixtures("7.2").into_iter().find(|it| it.0 == "C6_ext4").expect("a fixture").1;
    let result = replay(&text.replace("\"unmap_vmas\"", "\"unmap_nothing\""), &Options::default());
    assert!(!result.equal() && result.compared == 0);
    let [why] = &result.unsupported[..] else { panic!("{result:?}") };
    assert!(
        why.starts_with("step 9: where unmap_nothing is") && why.contains("unmap_vmas"),
        "{why}"
    );
}

#[test]
fn every_word_counts() {
    let mut tried = 0;
    let newer = fixtures("6.16");
    // Those of other kernels go through the same comparison; a few, for words that only they have.
    let others = ["6.1", "7.2"].into_iter().flat_map(fixtures);
    let some = others.filter(|(name, _)| {
        // A large folio of 6.1 has a null for a count that is not there, which is none either way.
        name.ends_with("odirect_inflight") && !name.starts_with("devdax2m") || name == "C6_ext4"
    });
    for (name, text) in newer.into_iter().chain(some) {
        let original: Value = serde_json::from_str(&text).expect("JSON");
        for mutant in sampled(&original) {
            // What a page of device-dax carries over from an earlier mapping, or of a file from an experiment before, is
            // an input, and hides its other word.
            let carried = ["mapping", "share"]
                .iter()
                .any(|it| mutant.what.starts_with(&format!("step 0: {it}")));
            if (name.starts_with("devdax") || name == "C6_ext4") && carried {
                continue;
            }
            let result = replay(&mutant.recording.to_string(), &Options::default());
            let at = result.difference.as_ref().map(|difference| difference.step);
            assert!(!result.equal(), "{name}: {}", mutant.what);
            assert_eq!(at, Some(mutant.shows_at), "{name}: {}", mutant.what);
            tried += 1;
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn truncate_without_a_layout_break_is_told_from_the_kernel_where_it_should_have_slept() {
    let mut rules = Era::V6_15.rules();
    rules.apply("truncate-break-layout=off").expect("a rule");
    let options = Options { rules: Some(rules), ..Options::default() };
    let result = replay(&fixture("ext4_truncate_while_ref"), &options);
    let difference = result.difference.expect("a difference");
    assert_eq!(difference.op, "w1 ftruncate 0 0");
    let blocked = difference.words.iter().find(|word| word.what == "blocked").expect("blocked");
    assert_eq!((blocked.recorded.as_str(), blocked.model.as_str()), ("yes", "no"));
}

#[test]
fn each_known_race_of_the_era_is_in_a_recording_and_mending_it_differs() {
    for (rule, name, op, word) in [
        (
            "idle-pred=ref-equals-map",
            "xfs_refault_while_truncating",
            "w1 ftruncate 0 0",
            "completes",
        ),
        ("share-reset=cleared", "xfs_truncate_while_ref", "w0 drain 0 1", "page 1 share"),
    ] {
        let mut rules = Era::V6_15.rules();
        rules.apply(rule).expect("a rule");
        let options = Options { rules: Some(rules), ..Options::default() };
        let difference = replay(&fixture(name), &options).difference.expect("a difference");
        assert_eq!((difference.op.as_str(), difference.words[0].what.as_str()), (op, word));
    }
}

#[test]
fn an_era_can_be_asked_for_and_a_kernel_without_one_says_so() {
    let text = fixture("ext4_pte_lifecycle");
    let old = text.replace("6.16.12", "4.9.1");
    let refused = replay(&old, &Options::default());
    assert_eq!((refused.equal(), refused.compared), (false, 0));
    assert!(refused.unsupported[0].starts_with("kernel 4.9.1"), "{:?}", refused.unsupported);
    let newest = replay(&text.replace("6.16.12", "99.9.1"), &Options::default());
    assert_eq!((newest.equal(), newest.era, newest.nearest), (true, Some(Era::V7_2), true));
    let options = Options { era: Some(Era::V6_15), ..Options::default() };
    for kernel in [old, text.replace("6.16.12", "99.9.1")] {
        let asked = replay(&kernel, &options);
        assert!(asked.equal() && !asked.nearest, "{:?}", asked.difference);
    }
}

#[test]
fn what_cannot_be_replayed_is_named_and_not_called_equal() {
    let text = fixture("ext4_pte_lifecycle").replace("\"rw\",\"shared\"", "\"rwx\",\"shared\"");
    let result = replay(&text, &Options::default());
    assert!(!result.equal());
    assert!(result.unsupported.iter().any(|why| why.contains("protection")), "{result:?}");
    let text = fixture("ext4_pte_lifecycle").replace("f1 16 written", "f1 100000 written");
    let result = replay(&text, &Options::default());
    assert_eq!(result.unsupported, ["a file of 100000 pages: not supported yet"]);
}

#[test]
fn comparing_nothing_is_not_equality() {
    let text = r#"{"schema": "pgmap-trace/1", "kernel": "6.16.1", "scenario": "s", "description": "",
        "family": "ext4", "file": "f 16 written ret 0", "steps": [{"n": 0, "op": "baseline"}]}"#;
    let result = replay(text, &Options::default());
    assert_eq!((result.compared, result.equal()), (0, false));
}

#[test]
fn what_a_recording_does_not_have_is_no_difference() {
    for name in ["ext4_pte_lifecycle", "ext4_pmd_lifecycle"] {
        let mut value: serde_json::Value = serde_json::from_str(&fixture(name)).expect("JSON");
        let whole = replay(&value.to_string(), &Options::default());
        let mut taken = 0;
        for step in value["steps"].as_array_mut().expect("steps") {
            for (_, page) in step["pages"].as_object_mut().into_iter().flatten() {
                taken += usize::from(
                    page.as_object_mut().expect("a page").remove("mapped_by").is_some(),
                );
            }
        }
        assert!(taken > 0);
        let result = replay(&value.to_string(), &Options::default());
        assert!(result.equal(), "{name}: {:?}", result.difference);
        assert_eq!(result.compared, whole.compared - taken, "{name}");
    }
}
