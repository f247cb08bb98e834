//! Lists the catalogue's files, so that each is compiled in: `python/pgmap/races/*.toml`, one race a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Seen from the rooms of Rust.
const RACES: &str = "../python/pgmap/races";

/// Writes `races.rs` into `out`: each file's name and its text.
pub(crate) fn write(rooms: &Path, out: &Path) -> io::Result<()> {
    let folder = rooms.join(RACES).canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let _ = writeln!(list, "({name:?}, include_str!({:?})),", path.display().to_string());
    }
    fs::write(out.join("races.rs"), list + "]\n")
}
