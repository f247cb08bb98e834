//! Rooms hand each other values, not sentences: nobody takes apart, or compares, words that another room has put
//! together. Read off the sources, tests left out.

use std::fs;
use std::path::{Path, PathBuf};

/// Where what is found goes through, from the explorer and from real threads to whoever prints it.
const ROOMS: &[&str] = &["explore/src", "native/src/stress", "py/src"];

/// Files for which text is what comes in, or a line to be laid out.
const READERS: &[(&str, &str)] = &[
    (
        "explore/src/protocol.rs",
        "a step as a user names it, and places in sources as the compiler names them",
    ),
    ("explore/src/catalogue.rs", "files of a folder"),
    ("explore/src/catalogue/file.rs", "a file of a race"),
    ("explore/src/random_program.rs", "words of the table of operations"),
    ("explore/src/names.rs", "paths of sources"),
    ("explore/src/report/text.rs", "lines to be wrapped"),
    ("explore/src/hunt.rs", "sizes that a user asks for"),
    ("explore/src/token.rs", "a token"),
    ("native/src/stress/report.rs", "/proc"),
    ("py/src/signature.rs", "what a call may be given, as Python reads it"),
];

/// What takes text apart, or looks into it.
const READS: &[&str] = &[
    ".split(",
    ".split_once(",
    ".rsplit(",
    ".rsplit_once(",
    ".splitn(",
    ".split_whitespace(",
    ".starts_with(",
    ".ends_with(",
    ".strip_prefix(",
    ".strip_suffix(",
    ".trim_start_matches(",
    ".trim_end_matches(",
    ".contains(\"",
    ".find(\"",
    "== \"",
    "!= \"",
];

fn sources(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            all.push(path);
        }
    }
}

#[test]
fn no_room_reads_what_another_one_put_into_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    ROOMS.iter().for_each(|room| sources(&root.join(room), &mut all));
    assert!(all.len() > 50, "{} sources", all.len());
    let (mut readers, mut wrong) = (Vec::new(), Vec::new());
    for path in all {
        let text = fs::read_to_string(&path).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines();
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        let found = code.filter(|line| READS.iter().any(|reads| line.contains(reads)));
        let file = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
        let may = READERS.iter().find(|(reader, _)| *reader == file);
        for line in found {
            match may {
                Some((reader, _)) => readers.push(*reader),
                None => wrong.push(format!("{file}: {}", line.trim())),
            }
        }
    }
    assert!(wrong.is_empty(), "text of another room is read:\n{}", wrong.join("\n"));
    for (reader, why) in READERS {
        assert!(readers.contains(reader), "{reader} no longer reads text ({why})");
    }
}
