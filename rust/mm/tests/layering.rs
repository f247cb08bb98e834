//! What this crate must not do, read off its own source.
//!
//! Everything shared goes through `prim`, or the explorer could not stand in for it; a lower room never
//! imports an upper one, or the protocol could not be read from below. Comments may name anything.

use std::fs;
use std::path::{Path, PathBuf};

/// What would reach around `prim`.
const FORBIDDEN: &[&str] = &[
    "std::",
    "extern crate std",
    "core::sync",
    "core::cell",
    "alloc::sync",
    "alloc::rc",
    "loom",
    "parking_lot",
    "crossbeam",
    "thread",
    "unsafe",
    "static mut",
    "core::hint::spin_loop",
];

/// The rooms in import order; those in one row may know each other.
const ROOMS: &[&[&str]] = &[
    &["region"],
    &["tally", "warn"],
    &["lock_order"],
    &["refcount"],
    &["percpu_ref"],
    &["page"],
    &["pagemap"],
    &["driver"],
    &["devmem"],
    &["vm"],
    &["dax"],
    &["world"],
];

/// Source without comments, string literals and the tests at a module's foot.
fn code(source: &str) -> String {
    let body = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut out = String::new();
    for line in body.lines() {
        let mut quoted = false;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if quoted => drop(chars.next()),
                '"' => quoted = !quoted,
                '/' if !quoted && chars.peek() == Some(&'/') => break,
                _ if !quoted => out.push(c),
                _ => {}
            }
        }
        out.push('\n');
    }
    out
}

/// Identifiers match whole: `thread` is not found in `clone_thread`.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(part);
        let after = word.ends_with(part) && code[at + word.len()..].starts_with(part);
        !before && !after
    })
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|row| row.contains(&room))
}

/// Rooms that the code names by `crate::room`, in a `use` tree's first level too.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let level = match rest.strip_prefix('{') {
            Some(tree) => first_level(tree),
            None => vec![rest],
        };
        found.extend(level.into_iter().map(ident).filter(|name| !name.is_empty()));
    }
    found
}

/// The members of `{a::{b, c}, d}` up to its closing brace: `a…`, `d`.
fn first_level(tree: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (1, 0, Vec::new());
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && c == ',' {
            members.push(tree[start..at].trim());
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    members
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What an entry of a page table or of a file says: its readers match every kind by name.
const ENTRIES: &[&str] = &["Pte::", "Pmd::", "Kind::"];

/// `if let Pte::Page(page) = entry` asks for one kind and forgets the others, those to come as well. (`_` in a
/// match is clippy's affair.)
fn asks_for_one_kind(line: &str) -> bool {
    ENTRIES.iter().any(|kind| {
        let asked =
            ["let ", "== ", "!= "].iter().any(|asks| line.contains(&format!("{asks}{kind}")));
        asked || line.contains("matches!") && names(line, kind)
    })
}

/// What a file of `room` does that the house forbids.
fn offences(room: &str, source: &str) -> Vec<String> {
    let code = code(source);
    let around = FORBIDDEN.iter().filter(|word| names(&code, word));
    let mut all: Vec<_> = around.map(|word| format!("names {word}")).collect();
    let asked = code.lines().filter(|line| asks_for_one_kind(line));
    all.extend(asked.map(|line| format!("asks for one kind of entry: {}", line.trim())));
    let own = rank(room);
    for import in imports(&code) {
        if own.zip(rank(&import)).is_some_and(|(own, other)| own < other) {
            all.push(format!("{room} imports {import}"));
        }
    }
    all
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The room a file belongs to: `page` for `page/folio.rs`, `devmem` for `devmem.rs`.
fn room_of(file: &Path) -> String {
    let first = file.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn nothing_reaches_around_prim_and_no_room_imports_from_above() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 30, "the sources are where this test looks");
    let mut all = Vec::new();
    for path in files {
        let file = path.strip_prefix(&src).expect("below src");
        let room = room_of(file);
        assert!(room == "lib" || rank(&room).is_some(), "{room} has no place in the import order");
        let source = fs::read_to_string(&path).expect("readable");
        // The one line of the crate that must name it is the one that forbids it.
        let source = source.replace("#![forbid(unsafe_code)]", "");
        all.extend(
            offences(&room, &source).into_iter().map(|it| format!("{}: {it}", file.display())),
        );
    }
    assert_eq!(all, Vec::<String>::new());
}

#[test]
fn lib_rs_forbids_unsafe_code_and_std() {
    let lib = include_str!("../src/lib.rs");
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn the_explored_package_is_these_very_sources() {
    let explored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mm-explored/src");
    let target = fs::read_link(explored).expect("a link");
    assert_eq!(target, Path::new("../mm/src"));
    let packages = [
        include_str!("../Cargo.toml"),
        include_str!("../../mm-explored/Cargo.toml"),
        include_str!("../../mm-weak/Cargo.toml"),
    ];
    assert!(packages.iter().all(|it| !it.contains("[features]")), "one protocol, whatever runs it");
}

/// The highest room that the weak package mounts.
const WEAK_UP_TO: &str = "pagemap";

#[test]
fn the_weak_package_mounts_these_very_rooms_from_the_lowest_up() {
    let weak = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mm-weak/src");
    let mut mounted = Vec::new();
    for entry in fs::read_dir(&weak).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name != "lib.rs" {
            let target = fs::read_link(&path).expect("a link");
            assert_eq!(target, Path::new("../../mm/src").join(&name));
            mounted.push(room_of(Path::new(&name)));
        }
    }
    mounted.sort();
    let up_to = rank(WEAK_UP_TO).expect("a room");
    let mut lower: Vec<_> = ROOMS[..=up_to].iter().flat_map(|row| row.iter().copied()).collect();
    lower.sort_unstable();
    assert_eq!(mounted, lower);
    let lib = include_str!("../../mm-weak/src/lib.rs");
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
    assert!(lower.iter().all(|room| lib.contains(&format!("pub mod {room};"))));
}

#[test]
fn lib_rs_lists_the_rooms_in_the_order_tested_here() {
    let lib = include_str!("../src/lib.rs");
    let listed = ROOMS.iter().map(|row| lib.find(&format!("//! {}", row.join(", "))));
    let listed: Vec<_> = listed.map(|at| at.expect("each row is in the table")).collect();
    assert!(listed.is_sorted());
}

#[test]
fn a_planted_violation_is_found() {
    for planted in [
        "use std::sync::Mutex;",
        "fn f() { core::sync::atomic::fence(x); }",
        "use alloc::sync::Arc;",
        "loom::model(|| {});",
        "parking_lot::Mutex::new(())",
        "let t = thread::spawn(f);",
        "unsafe { f() }",
        "static mut COUNT: u32 = 0;",
        "if let Pte::Page(page) = word.load() {}",
        "let Pmd::Table(table) = word.load() else { return };",
        "if word.load() == Pte::None {}",
        "matches!(entry.kind(), Kind::Empty | Kind::Zero)",
    ] {
        assert_eq!(offences("page", planted).len(), 1, "{planted}");
    }
    let found = |room, source| offences(room, source).join("; ");
    assert_eq!(found("page", "use crate::pagemap::Pagemaps;"), "page imports pagemap");
    assert_eq!(found("vm", "fn f(x: crate::dax::Dax) {}"), "vm imports dax");
    assert_eq!(
        found("refcount", "use crate::{tally, vm::{Vm, Vpn}, world};"),
        "refcount imports vm; refcount imports world"
    );
    assert_eq!(found("tally", "use crate::\n    page::Pfn;"), "");
    assert_eq!(found("tally", "use crate::page::{\n    Pfn,\n};"), "tally imports page");
}

#[test]
fn what_only_looks_like_a_violation_is_left_alone() {
    for innocent in [
        "// unsafe, std::sync and crate::world are named in a comment",
        "let text = \"std::thread and crate::world in a string\"; // and more",
        "self.clone_thread(of); let this_thread = 1;",
        "#[cfg(test)]\nmod tests { use std::thread; use crate::world::World; }",
        "use crate::page::Pfn; use crate::refcount::PageRef;",
        "use core::mem::take;",
        "match word.load() { Pte::None => {} Pte::Page(page) => publish(page) }",
        "let new = Pte::Page(page); word.publish(&ptl, new);",
        "if range.kind() == GupKind::Pin && matches!(kind, GupKind::Get) {}",
    ] {
        assert_eq!(offences("page", innocent), Vec::<String>::new(), "{innocent}");
    }
}
