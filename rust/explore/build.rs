//! Tables that turn a place in the protocol's sources into words: which function it is in, by the kernel's
//! name where its documentation begins with one, and what stands before the dot of a method call there.
//!
//! A trace knows its steps by file, line and column. The sources are not there when a report is printed, so
//! the tables are made here. This reads formatted Rust line by line, and relies on the formatting: a
//! function ends with the first closing brace at its own indentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[path = "build/races.rs"]
mod races;

/// Crates whose code takes steps.
const CRATES: &[&str] = &["mm-explored", "prim-explored", "explore"];

/// Methods that are steps; what they are called on has a name worth telling.
const STEPS: &str = "
    read set read_acquire set_release add sub inc dec or and add_return sub_return inc_return dec_return
    fetch_or fetch_and xchg sub_and_test dec_and_test cmpxchg cmpxchg_acquire cmpxchg_release add_unless
    lock try_lock write try_read try_write is_locked is_write_locked";

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
            sources.push((key, fs::read_to_string(&file)?));
        }
    }
    let locks = locks_of(&sources);
    let mut functions = String::new();
    let mut receivers = String::new();
    for (key, text) in &sources {
        let lines: Vec<&str> = text.lines().collect();
        write_table(&mut functions, key, &functions_of(&lines));
        write_table(&mut receivers, key, &receivers_of(&lines, &locks.of(key)));
    }
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    races::write(&root, &out)?;
    let table = format!(
        "static FUNCTIONS: &[(&str, Rows)] = &[{functions}];\n\
         static RECEIVERS: &[(&str, Rows)] = &[{receivers}];\n"
    );
    fs::write(out.join("names.rs"), table)
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

fn write_table(out: &mut String, key: &str, rows: &[(usize, usize, String)]) {
    // Writing into a string does not fail.
    let _ = write!(out, "({key:?}, &[");
    for (a, b, name) in rows {
        let _ = write!(out, "({a}, {b}, {name:?}), ");
    }
    out.push_str("]),\n");
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// First line, last line and name of every function with a body.
fn functions_of(lines: &[&str]) -> Vec<(usize, usize, String)> {
    let mut all = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = declared(line) else { continue };
        let indent = indentation(line);
        let same = |line: &&str| !line.trim().is_empty() && indentation(line) == indent;
        let end = lines[at..]
            .iter()
            .position(|line| same(line) && (line.ends_with(';') || line.ends_with('}')));
        let Some(end) = end.map(|lines| at + lines) else { continue };
        if lines[end].ends_with('}') {
            let name = kernel_name(&lines[..at]).unwrap_or_else(|| name.to_owned());
            all.push((at + 1, end + 1, name));
        }
    }
    all
}

/// The function that a line declares.
fn declared(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["", "pub", "const", "unsafe"];
    let plain = |word: &str| modifiers.contains(&word) || word.starts_with("pub(");
    if !before.trim().split(' ').all(plain) {
        return None;
    }
    let name = &after[..after.find(|c| !is_word(c))?];
    (!name.is_empty()).then_some(name)
}

/// The name at the very beginning of the documentation that ends here: "`folio_put_refs`. Full order".
fn kernel_name(above: &[&str]) -> Option<String> {
    let part = |line: &&&str| line.trim().starts_with("///") || line.trim().starts_with("#[");
    let first =
        above.iter().rev().take_while(part).filter(|line| line.trim().starts_with("///")).last()?;
    let (name, _) = first.trim().strip_prefix("/// `")?.split_once('`')?;
    let name = name.trim_end_matches("()");
    (name.chars().all(is_word) && name.contains('_')).then(|| name.to_owned())
}

/// Line and column of every method call that may be a step, and what it is called on.
fn receivers_of(lines: &[&str], locks: &BTreeMap<&str, &str>) -> Vec<(usize, usize, String)> {
    let mut all = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        for (dot, _) in line.match_indices('.') {
            let method = &line[dot + 1..];
            let Some(length) = method.find(|c| !is_word(c)) else { continue };
            if !method[length..].starts_with('(') || !is_step(&method[..length]) {
                continue;
            }
            let before = line[..dot].trim_end();
            let before = match before.is_empty() {
                true => at.checked_sub(1).map_or("", |above| lines[above].trim_end()),
                false => before,
            };
            if let Some(name) = last_word(before) {
                let name = locks.get(name).copied().unwrap_or(name);
                all.push((at + 1, line[..dot].chars().count() + 2, name.to_owned()));
            }
        }
    }
    all
}

fn is_step(method: &str) -> bool {
    STEPS.split_whitespace().any(|step| step == method)
}

/// `x` of `self.x`, `self.x[i]` and `self.x(i)`.
fn last_word(mut text: &str) -> Option<&str> {
    while text.ends_with([')', ']']) {
        let mut depth = 0;
        let open = text.char_indices().rev().find(|(_, c)| {
            depth += i32::from(")]".contains(*c)) - i32::from("([".contains(*c));
            depth == 0
        });
        text = &text[..open?.0];
    }
    let start = text.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
    let word = &text[start..];
    (!word.is_empty() && word != "self").then_some(word)
}

/// Fields that hold locks, and what locks are called by their class: `layout` is `mmap_lock`.
struct Locks<'a> {
    /// File, field, and the data under the lock.
    fields: Vec<(&'a str, &'a str, &'a str)>,
    /// File, data, and the name of its class.
    classes: Vec<(&'a str, &'a str, &'a str)>,
}

impl Locks<'_> {
    /// The name of the class of the data under a lock of this file. Data of one name in several files are several
    /// classes; then those of the file itself are meant.
    fn class(&self, file: &str, data: &str) -> Option<&str> {
        let of_name = || self.classes.iter().filter(|class| class.1 == data);
        of_name().find(|class| class.0 == file).or_else(|| of_name().next()).map(|class| class.2)
    }

    /// What fields are called in this file. A field's own file knows best; elsewhere, fields of one name with locks
    /// of several classes keep their name.
    fn of(&self, file: &str) -> BTreeMap<&str, &str> {
        let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for &(own, field, data) in &self.fields {
            all.entry(field).or_default().extend(self.class(own, data));
        }
        all.retain(|_, names| names.len() == 1);
        let here = self.fields.iter().filter(|field| field.0 == file);
        let here = here.filter_map(|&(_, field, data)| Some((field, self.class(file, data)?)));
        let mut names: BTreeMap<&str, &str> = all
            .into_iter()
            .flat_map(|(field, names)| names.into_iter().map(move |name| (field, name)))
            .collect();
        names.extend(here);
        names
    }
}

fn locks_of(sources: &[(String, String)]) -> Locks<'_> {
    let mut locks = Locks { fields: Vec::new(), classes: Vec::new() };
    // The rows of the table: `I_RWSEM "i_rwsem";`.
    let table = sources.iter().filter(|(file, _)| file.ends_with("lock_order.rs"));
    let order: BTreeMap<&str, &str> = table
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.trim().strip_suffix("\";")?.split_once(" \""))
        .collect();
    for (file, text) in sources {
        let mut guarded = None;
        for line in text.lines().map(str::trim) {
            if let Some(data) = line.strip_prefix("impl Guarded for ") {
                guarded = data.strip_suffix(" {");
            } else if let (Some(data), Some((_, class))) =
                (guarded, line.split_once("lock_order::"))
            {
                locks.classes.extend(
                    order.get(class.trim_end_matches(';')).map(|name| (&**file, data, *name)),
                );
                guarded = None;
            } else if let (Some(data), Some((_, class))) =
                (guarded, line.split_once("innermost(\""))
            {
                // A lock that the primitives keep to themselves.
                locks.classes.extend(class.strip_suffix("\");").map(|name| (&**file, data, name)));
                guarded = None;
            } else if let Some((data, name)) =
                line.split_once(", ").and_then(|(data, class)| Some((data, *order.get(class)?)))
            {
                locks.classes.push((file, data, name));
            }
            for lock in ["SpinLock<", "RwSem<"] {
                if let Some((field, data)) = line.split_once(lock)
                    && let Some((field, _)) = field.split_once(": ")
                    && let Some(field) = field.split(' ').next_back()
                {
                    locks.fields.push((file, field, data.trim_end_matches([',', '>'])));
                }
            }
        }
    }
    locks
}
