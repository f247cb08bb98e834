//! The sources of the crate that is tested, which may share files with the native face.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files() -> BTreeSet<PathBuf> {
    let lists = [src(), src().join("lock")].map(|dir| fs::read_dir(dir).expect("a directory"));
    let all = lists.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(src()).expect("below src").to_string_lossy().into_owned()
}

/// The text of a file, comments aside.
pub(crate) fn code(file: &str) -> String {
    let source = fs::read_to_string(src().join(file)).expect("readable");
    let lines = source.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Files of this crate's own whose code contains `text`.
pub(crate) fn containing(text: &str) -> Vec<String> {
    let own = files().into_iter().filter(|path| !path.is_symlink());
    own.map(|path| name(&path)).filter(|file| code(file).contains(text)).collect()
}

/// These files and no others are the native face's.
pub(crate) fn assert_shared(shared: &[&str]) {
    let links: Vec<_> = files().into_iter().filter(|path| path.is_symlink()).collect();
    let names: Vec<_> = links.iter().map(|path| name(path)).collect();
    assert_eq!(names, shared);
    let native = src().join("../../prim/src").canonicalize().expect("the native face");
    for link in links {
        assert_eq!(link.canonicalize().expect("a file"), native.join(name(&link)));
    }
}
