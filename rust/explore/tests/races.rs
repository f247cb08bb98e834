//! Races are files: one added in a folder is found and run as it is, and what is wrong with one is told.

use std::path::PathBuf;
use std::{env, fs, process};

use pgmap_explore::catalogue::{CATALOGUE, Catalogue, Kind};
use pgmap_explore::{Ends, Verdict, explore};
use pgmap_program::{Era, Invariant, Memory, TlbRefill};
use pgmap_sched::{Control, Plan};

/// A folder of files, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn of(test: &str, files: &[(&str, &str)]) -> Self {
        let path = env::temp_dir().join(format!("pgmap-races-{}-{test}", process::id()));
        fs::create_dir_all(&path).expect("a folder");
        files.iter().for_each(|(name, text)| fs::write(path.join(name), text).expect("a file"));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two wrong rules at once; each alone is harmless to this program.
const TWO: &str = r#"
title = "two wrong rules together"
kind = "sequential"
wrong = ["truncate-break-layout=off", "block-free=before-idle"]
invariant = "I18"
bound = 0
sources = ["a test"]
note = "the block is gone, and nobody waits"
teaches = "Two mistakes, one program."
program = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 dma_write | w0 unpin
w1 ftruncate f 0
"""

[[variants]]
name = "early"
title = "the era is wrong by itself"
era = "v6.15"
wrong = []
right = ["teardown-pages=wait-idle"]
invariant = "I13-strong"
needs = { memory = "tso", speculative-tlb = true }
program = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 unpin
w1 unbind
"""
"#;

#[test]
fn a_file_added_to_a_folder_is_found_and_run() {
    let folder = Folder::of("added", &[("two.toml", TWO), ("notes.txt", "nothing")]);
    let all = Catalogue::with(&folder.0).expect("races");
    assert_eq!(all.known.len(), CATALOGUE.known.len() + 2);
    let [two, early] = ["two", "two.early"].map(|name| {
        all.known.iter().find(|known| known.race.name == name).unwrap_or_else(|| panic!("{name}"))
    });
    assert_eq!(two.race.assignment(), "truncate-break-layout=off block-free=before-idle");
    assert_eq!((two.race.era, &*early.race.title), (Era::V6_15Sound, "the era is wrong by itself"));
    // What the variant does not say is as in the file.
    assert_eq!((early.race.kind, &early.race.sources), (Kind::Sequential, &two.race.sources));
    assert_eq!((early.needs, early.tlb), (Memory::Tso, TlbRefill::Speculative));
    assert_eq!(early.race.invariant, Some(Invariant::I13Strong));
    assert_eq!(early.race.assignment(), "v6.15");
    for known in [two, early] {
        let plan = Plan { bound: Some(1), ..Plan::default() };
        let run = |scenario| explore(&scenario, &plan, Ends::Any, &mut |_| Control::Go);
        let Ok(Verdict::Found { found, .. }) = run(known.wrong()) else {
            panic!("{}", known.race.name)
        };
        assert_eq!(Some(found.finding.invariant), known.race.invariant, "{}", known.race.name);
        assert_eq!(found.preemptions, Some(known.preemptions));
        let right = run(known.right());
        assert!(matches!(right, Ok(Verdict::Exhausted { .. })), "{}: {right:?}", known.race.name);
    }
}

#[test]
fn every_race_that_is_shipped_can_be_read_and_says_what_it_teaches() {
    let names: Vec<&str> = CATALOGUE.races().map(|race| &*race.name).collect();
    assert!(names.len() >= 21, "{names:?}");
    for race in CATALOGUE.races() {
        assert!(race.teaches.len() > 100 && race.teaches.ends_with('.'), "{}", race.name);
        for text in [&race.title, &race.note] {
            assert!(text.len() > 20 && !text.ends_with('.'), "{}: {text}", race.name);
        }
        let told = race.sources.iter().chain([&race.title, &race.note, &race.teaches]);
        assert!(
            told.into_iter().all(|it| !it.contains("K§")),
            "{}: a code nobody knows",
            race.name
        );
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_the_file_and_the_key() {
    let with = |from: &str, to: &str| {
        assert!(TWO.contains(from), "{from}");
        TWO.replacen(from, to, 1)
    };
    let cases = [
        (with("bound = 0", "bund = 0"), "line 6: bund = 0: unknown field `bund`"),
        (with("bound = 0", "bound = \"0\""), "line 6: bound = \"0\": invalid type"),
        (with("title = \"two", "titel = \"two"), "titel"),
        (with("title = \"two wrong rules together\"\n", ""), "title: missing"),
        (with("\"sequential\"", "\"sequence\""), "unknown variant `sequence`"),
        (with("\"sequential\"", "\"race\""), "bound: what needs no preemption is sequential"),
        (with("bound = 0", "bound = 1"), "bound: what needs a preemption is a race"),
        (with("bound = 0\n", ""), "bound: missing"),
        (with("\"I18\"", "\"I99\""), "invariant: none is called \"I99\""),
        (with("\"sequential\"", "\"refuted\""), "invariant: what does not fail breaks none"),
        (with("invariant = \"I18\"\n", ""), "invariant: missing"),
        (with("layout=off", "layout=of"), "wrong: rule truncate-break-layout has no value \"of\""),
        (
            with("layout=off", "layout=on"),
            "wrong: truncate-break-layout=on is what v6.15-sound has",
        ),
        (with("era = \"v6.15\"", "era = \"v6\""), "variants: early: era: no era is called \"v6\""),
        (with("\"tso\"", "\"pso\""), "variants: early: needs: memory: no memory is called"),
        (with("w1 ftruncate f 0", "w1 ftrunc f 0"), "program: line 6"),
        (with("start\n", "end\nstart\n"), "program: "),
        (with("bound = 0", "bound = 0\nunshown = \"x\""), "program: there is one, or walks"),
        (with("name = \"early\"", "name = \"Early\""), "variants: each has a name of its own"),
        (with("sources = [\"a test\"]", "sources = []"), "sources: missing"),
        (with("kind =", "number = \"33\"\nkind ="), "number: not one, such as \"B33\""),
        (
            with("wrong = [\"truncate-break-layout=off\", \"block-free=before-idle\"]\n", ""),
            "wrong: these are the rules that are right",
        ),
    ];
    for (text, told) in cases {
        let wrong = Catalogue::of(&[("two", &text)]).expect_err(told).to_string();
        assert!(wrong.starts_with("two.toml: ") && wrong.contains(told), "{told}\n{wrong}");
    }
    let walks = "title = \"t\"\nkind = \"race\"\nwrong = [\"gup-grab=relaxed\"]\ninvariant = \"I18\"\n\
                 walks = \"nobody\"\nmodels = [\"m\"]\nsources = [\"s\"]\nnote = \"n\"\nteaches = \"t\"\n";
    let wrong = Catalogue::of(&[("weak", walks)]).expect_err("nobody").to_string();
    assert_eq!(wrong, "weak.toml: walks: no race with a program is called \"nobody\"");
}

#[test]
fn a_folder_that_adds_nothing_or_a_name_twice_is_refused() {
    let empty = Folder::of("empty", &[("notes.txt", "nothing")]);
    let wrong = Catalogue::with(&empty.0).expect_err("no race").to_string();
    assert!(wrong.contains("no file of it ends in .toml"), "{wrong}");
    let twice = Folder::of("twice", &[("zap-put.toml", TWO)]);
    let wrong = Catalogue::with(&twice.0).expect_err("a name twice").to_string();
    assert!(wrong.contains("zap-put.toml: pgmap has a race of this name"), "{wrong}");
    let missing = Catalogue::with(&twice.0.join("nowhere")).expect_err("no folder").to_string();
    assert!(missing.contains("nowhere"), "{missing}");
}
