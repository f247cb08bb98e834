//! The recordings of 6.16, replayed: the model does what the kernel did, and an altered recording or a
//! wrong rule is noticed at the step where it shows.

use std::fs;
use std::path::PathBuf;

use pgmap_native::conform::{Conformance, Options, conform};
use pgmap_program::Recording;

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
        if !result.equal() {
            wrong.push(format!("{name}: {result:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
