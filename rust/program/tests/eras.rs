//! Eras from their files: a delta over another era, and every mistake of a file named with file and key.
#![allow(clippy::unwrap_used)]

#[path = "../build/eras.rs"]
mod eras;

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use pgmap_program::Era;

const SHIPPED: &str = include_str!("../eras/v6.15.toml");

/// A folder of files, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn of(test: &str, files: &[(&str, &str)]) -> Self {
        let path = env::temp_dir().join(format!("pgmap-eras-{}-{test}", process::id()));
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    fn rust(&self) -> Result<String, String> {
        eras::read(&self.0).map(|eras| eras::rust(&eras))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn delta(kernels: &str, rest: &str) -> String {
    format!(
        "summary = \"Another.\"\nfacts = \"K§14\"\nbase = \"v6.15\"\nkernels = {kernels}\n{rest}"
    )
}

#[test]
fn one_file_more_is_an_era_and_its_sound_twin() {
    let text = delta("[\"6.7\", \"6.14\"]", "[rules]\nidle-pred = \"ref-equals-map\"\n");
    let folder = Folder::of("more", &[("v6.15.toml", SHIPPED), ("v6.12.toml", &text)]);
    let rust = folder.rust().unwrap();
    // In the order of the kernels, each with its twin.
    assert!(
        rust.contains("[Era::V6_12, Era::V6_12Sound, Era::V6_15, Era::V6_15Sound, ]"),
        "{rust}"
    );
    let row = |name: &str| {
        let start = format!("EraInfo {{ name: {name:?}");
        rust.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
    };
    let mine = row("v6.12");
    assert!(mine.contains("base: Some(Era::V6_15)") && mine.contains("sound: Era::V6_12Sound"));
    // A known race goes where its wrong value goes: idle-pred is another one here.
    assert!(mine.contains("\"B31\"") && mine.contains("\"B48\"") && !mine.contains("\"B33\""));
    assert!(row("v6.12-sound").contains("Linux v6.12 with its known races mended."));
    assert!(row("v6.12-sound").contains("known: &[]"));
}

#[test]
fn the_crate_was_made_of_the_files_that_are_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("eras");
    let rust = eras::rust(&eras::read(&folder).unwrap());
    for era in Era::ALL {
        assert!(rust.contains(&format!("name: {:?}", era.name())), "{era}");
    }
    assert_eq!(Era::ALL.len(), rust.lines().filter(|line| line.starts_with("EraInfo")).count());
}

#[test]
fn what_a_file_gets_wrong_is_told_with_the_file_and_the_key() {
    let known = "[[known]]\nid = \"B99\"\ntitle = \"t\"\nbreaks = [\"L2\"]\nrule = \"teardown-pages\"\n\
                 wrong = \"ignore\"\nmend = \"MEND\"\noperations = [\"unbind\"]\nkernels = \"k\"\nfacts = \"K§14\"\nsource = \"s\"\n\
                 note = \"n\"\n";
    let cases: &[(&str, String, &[&str])] = &[
        ("v6.12.toml", delta("[\"6.7\", \"6.14\"]", "rule = 1\n"), &["eras/v6.12.toml", "rule"]),
        ("v6.12.toml", "summary = \"S.\"\n".to_owned(), &["eras/v6.12.toml", "facts"]),
        ("v6.12.toml", delta("[\"6.14\", \"6.7\"]", ""), &["eras/v6.12.toml: kernels"]),
        ("v6.12.toml", delta("[\"six\", \"6.7\"]", ""), &["eras/v6.12.toml: kernels"]),
        ("v6.16.toml", delta("[\"6.16\", \"6.18\"]", ""), &["kernels: v6.15 has some of them"]),
        ("x-sound.toml", delta("[\"6.1\", \"6.2\"]", ""), &["eras/x-sound.toml", "no -sound"]),
        (
            "v6.12.toml",
            delta("[\"6.7\", \"6.14\"]", &known.replace("MEND", "ignore")),
            &["eras/v6.12.toml: B99: mend"],
        ),
        (
            "v6.12.toml",
            delta("[\"6.7\", \"6.14\"]", &known.replace("MEND", "other")),
            &["B99: mend: B31 mends teardown-pages by wait-idle"],
        ),
        (
            "v6.12.toml",
            delta("[\"6.7\", \"6.14\"]", "").replace("v6.15", "v6.51"),
            &["eras/v6.12.toml: base: there is no era v6.51"],
        ),
        (
            "v6.12.toml",
            delta("[\"6.7\", \"6.14\"]", "").replace("v6.15", "v6.12"),
            &["eras/v6.12.toml: base: v6.12 is over itself"],
        ),
    ];
    for (at, (name, text, told)) in cases.iter().enumerate() {
        let folder = Folder::of(&format!("wrong-{at}"), &[("v6.15.toml", SHIPPED), (name, text)]);
        let wrong = folder.rust().unwrap_err();
        assert!(told.iter().all(|it| wrong.contains(it)), "{text}\n{wrong}");
    }
}

/// The rules table knows a value of some kernels; an era of others says for itself how it has it.
#[test]
fn an_era_says_of_a_value_how_it_is_known_or_leaves_it_to_the_table() {
    let rules = "[rules]\nzap-put = \"before-flush\"\n\
                 idle-pred = { value = \"ref-equals-map\", how = \"thread\", source = \"a mail\" }\n";
    let text = delta("[\"6.7\", \"6.14\"]", rules);
    let folder = Folder::of("told", &[("v6.15.toml", SHIPPED), ("v6.12.toml", &text)]);
    let rust = folder.rust().unwrap();
    let told = "told: &[ToldRule { rule: \"idle-pred\", value: \"ref-equals-map\", how: How::Thread, source: \"a mail\" }, ]";
    // The twin has the same, but for what is mended.
    assert_eq!(rust.matches(told).count(), 2, "{rust}");
    let guessed = text.replace("thread", "guessed");
    let folder = Folder::of("guessed", &[("v6.15.toml", SHIPPED), ("v6.12.toml", &guessed)]);
    assert!(folder.rust().unwrap_err().starts_with("eras/v6.12.toml"));
}

/// What only the tables of rules and invariants know is left to the compiler, in the same words.
#[test]
fn what_does_not_exist_is_left_to_the_compiler_to_refuse() {
    let text = delta("[\"6.7\", \"6.14\"]", "[rules]\nzap-put = \"never\"\n");
    let folder = Folder::of("compiler", &[("v6.15.toml", SHIPPED), ("v6.12.toml", &text)]);
    let rust = folder.rust().unwrap();
    assert!(rust.contains(
        "must(Rules::BASE.with(\"zap-put\", \"never\"), \
         \"eras/v6.12.toml: rules: zap-put = never: no such rule, or no such value of it\")"
    ));
}
