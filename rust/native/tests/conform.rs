//! The recordings of 6.16, replayed: the model does what the kernel did, and an altered recording or a
//! wrong rule is noticed at the step where it shows.

mod mutants;

use std::fs;
use std::path::PathBuf;

use pgmap_native::conform::{Conformance, Options, conform};
use pgmap_program::{Era, Recording};
use serde_json::Value;

use mutants::sampled;

fn fixtures() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/traces/6.16");
    let mut all: Vec<(String, String)> = fs::read_dir(folder)
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
    let found = fixtures().into_iter().find(|(known, _)| known == name);
    found.expect("a fixture of that name").1
}

fn replay(text: &str, options: &Options) -> Conformance {
    let recording = Recording::from_json(text).expect("a recording");
    conform(&recording, options).expect("a machine")
}

#[test]
fn every_recording_of_6_16_is_equal_at_every_step() {
    let all = fixtures();
    assert_eq!(all.len(), 39);
    let mut wrong = Vec::new();
    for (name, text) in &all {
        let result = replay(text, &Options::default());
        if !result.equal() || !result.complaints.is_empty() {
            wrong.push(format!("{name}: {result:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_word_counts() {
    let mut tried = 0;
    for (name, text) in fixtures() {
        let original: Value = serde_json::from_str(&text).expect("JSON");
        for mutant in sampled(&original) {
            let result = replay(&mutant.recording.to_string(), &Options::default());
            let at = result.difference.as_ref().map(|difference| difference.step);
            assert!(!result.equal());
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
fn an_era_can_be_asked_for_and_an_unknown_kernel_says_so() {
    let text = fixture("ext4_pte_lifecycle").replace("6.16.12", "99.9.1");
    let refused = replay(&text, &Options::default());
    assert_eq!((refused.equal(), refused.compared), (false, 0));
    assert!(refused.unsupported[0].starts_with("kernel 99.9.1"), "{:?}", refused.unsupported);
    let options = Options { era: Some(Era::V6_15), ..Options::default() };
    let asked = replay(&text, &options);
    assert!(asked.equal(), "{:?}", asked.difference);
}

#[test]
fn what_cannot_be_replayed_is_named_and_not_called_equal() {
    let text = fixture("ext4_pte_lifecycle").replace("\"shared\"", "\"private\"");
    let result = replay(&text, &Options::default());
    assert!(!result.equal());
    assert!(result.unsupported.iter().any(|why| why.contains("private")), "{result:?}");
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
