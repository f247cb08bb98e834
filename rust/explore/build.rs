//! Tables that turn a place in the protocol's sources into words: which function it is in, by the kernel's
//! name where it declares one, and what a method that is a step is called on.
//!
//! A trace knows its steps by file, line and column. The sources are not there when a report is printed, so
//! the tables are made here. A function declares its kernel name as an alias of its documentation,
//! `#[doc(alias = "folio_put_refs")]`, by which rustdoc finds it, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[path = "build/functions.rs"]
mod functions;
#[path = "build/locks.rs"]
mod locks;
#[path = "build/races.rs"]
mod races;
#[path = "build/steps.rs"]
mod steps;

use functions::{Row, Tables};
use locks::Locks;

/// The crate whose steps are the protocol.
const PROTOCOL: &str = "mm-explored/";
/// Crates whose code takes steps.
const CRATES: &[&str] = &["mm-explored", "prim-explored", "explore"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("..");
    let mut sources = Vec::new();
    for name in CRATES {
        let directory = root.join(name).join("src");
        println!("cargo::rerun-if-changed={}", directory.display());
        let mut files = Vec::new();
        collect(&directory, &mut files)?;
        files.sort();
        for file in files {
            // A link's target may change without the directory.
            println!("cargo::rerun-if-changed={}", file.display());
            let inside = file.strip_prefix(&root).map_err(io::Error::other)?;
            let key = inside.to_string_lossy().replace('\\', "/");
            let parsed = syn::parse_file(&fs::read_to_string(&file)?);
            sources.push((key.clone(), parsed.map_err(|wrong| told(&key, &wrong))?));
        }
    }
    let locks = Locks::of(&sources);
    let (mut functions, mut receivers) = (String::new(), String::new());
    let mut aliases = Vec::new();
    for (key, file) in &sources {
        let tables = Tables::of(file, &locks.named_in(key)).map_err(|wrong| told(key, &wrong))?;
        write_table(&mut functions, key, &tables.functions);
        write_table(&mut receivers, key, &tables.receivers);
        aliases.extend(tables.aliases);
    }
    aliases.sort();
    aliases.dedup();
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    races::write(&root, &out)?;
    fs::write(out.join("steps.rs"), table_of_steps(sources, &locks))?;
    let table = format!(
        "static FUNCTIONS: &[(&str, Rows)] = &[{functions}];\n\
         static RECEIVERS: &[(&str, Rows)] = &[{receivers}];\n\
         static KERNEL_NAMES: &[&str] = &{aliases:?};\n"
    );
    fs::write(out.join("names.rs"), table)
}

/// The steps of the protocol, each by a name of its own.
fn table_of_steps(mut sources: Vec<(String, syn::File)>, locks: &Locks) -> String {
    sources.retain(|(key, _)| key.starts_with(PROTOCOL));
    let all = steps::of(&sources, |file| locks.named_in(file));
    let (watchers, steps): (Vec<_>, Vec<_>) = all.into_iter().partition(|step| step.watches);
    let calls: BTreeSet<_> = steps.iter().flat_map(|step| &step.calls).collect();
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = String::new();
    for steps::Step { file, line, column, op, kind, what, function, .. } in &steps {
        let nth = met.entry(format!("{what}@{function}")).or_default();
        *nth += 1;
        let name = match nth {
            1 => format!("{what}@{function}"),
            _ => format!("{what}#{nth}@{function}"),
        };
        // Writing into a string does not fail.
        let edit = edit(file, *line, *column, op);
        let _ = writeln!(
            rows,
            "Step {{ name: {name:?}, function: {function:?}, kind: {kind:?}, edit: {edit} }},"
        );
    }
    let mut others = String::new();
    for steps::Step { file, line, column, op, .. } in &watchers {
        let _ = writeln!(others, "{}", edit(file, *line, *column, op));
    }
    // A wake-up has a barrier of its own.
    for steps::Step { file, line, column, .. } in steps.iter().filter(|step| step.op == "wake_up") {
        let _ = writeln!(others, "{}", edit(file, *line, *column, "smp_mb"));
    }
    format!(
        "static STEPS: &[Step] = &[{rows}];\nstatic NO_STEPS: &[Edit] = &[{others}];\n\
         const CALLS: usize = {};\n",
        calls.len()
    )
}

fn edit(file: &str, line: usize, column: usize, op: &str) -> String {
    format!("Edit {{ file: {file:?}, line: {line}, column: {column}, op: {op:?} }},")
}

fn told(key: &str, wrong: &syn::Error) -> io::Error {
    let at = wrong.span().start();
    io::Error::other(format!("{key}:{}:{}: {wrong}", at.line, at.column + 1))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn write_table(out: &mut String, key: &str, rows: &[Row]) {
    // Writing into a string does not fail.
    let _ = write!(out, "({key:?}, &[");
    for (a, b, name) in rows {
        let _ = write!(out, "({a}, {b}, {name:?}), ");
    }
    out.push_str("]),\n");
}
