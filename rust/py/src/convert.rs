//! From Python arguments to the numbers and words of the language. Each refusal is a sentence that
//! names the argument's kind, what came, and what may come.

use pgmap_mm::page::Order;
use pgmap_mm::pagemap::PagemapType;
use pgmap_program::op::{
    FdNo, FileState, Handle, Kind, Layout, MIRROR, MapNo, Role, SLOW_BLOCK, WorkerId,
};
use pgmap_program::parse::is_file_name;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::raise::{self, Class};
use crate::signals::Stuck;

/// A whole number between two bounds.
pub(crate) fn number(
    value: Borrowed<'_, '_, PyAny>,
    what: &str,
    low: u64,
    high: u64,
) -> PyResult<u64> {
    let py = value.py();
    let refuse = |shown: &str| {
        let sentence = format!("{what} is {shown}; it must be {low} to {high}");
        raise::error(py, Class::OutOfRange, sentence)
    };
    if let Ok(number) = value.extract::<u64>()
        && (low..=high).contains(&number)
    {
        return Ok(number);
    }
    match value.extract::<i128>() {
        Ok(number) => match u64::try_from(number) {
            Ok(fits) if (low..=high).contains(&fits) => Ok(fits),
            _ => Err(refuse(&number.to_string())),
        },
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            Err(wrong_type(value, what, "an int"))
        }
        Err(_) => Err(refuse("far outside")),
    }
}

/// "page must be an int, not float".
pub(crate) fn wrong_type(value: Borrowed<'_, '_, PyAny>, what: &str, wanted: &str) -> PyErr {
    let found = value.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{what} must be {wanted}, not {found}"))
}

/// What an argument of a kind may be, in the language as here; but the page behind the last one is refused by the
/// machine.
pub(crate) const fn bounds(kind: Kind) -> (u64, u64) {
    let kind = if matches!(kind, Kind::Page) { Kind::Size } else { kind };
    match kind.bounds() {
        Some(bounds) => bounds,
        None => panic!("a kind that is no number"),
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])+ $name:ident($inner:ty) $what:literal, $bounds:expr, $make:expr;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        impl<'a, 'py> FromPyObject<'a, 'py> for $name {
            type Error = PyErr;

            fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                const BOUNDS: (u64, u64) = $bounds;
                number(value, $what, BOUNDS.0, BOUNDS.1).map($make).map(Self)
            }
        }
    )+};
}

numbers! {
    /// A worker.
    Worker(WorkerId) "worker", bounds(Kind::Worker), |n| WorkerId(n as u8);
    /// A file descriptor.
    Fd(FdNo) "fd", bounds(Kind::Handle(Handle::Fd, Role::Uses)), |n| FdNo(n as u8);
    /// A mapping.
    Map(MapNo) "map", bounds(Kind::Handle(Handle::Mapping, Role::Uses)), |n| MapNo(n as u8);
    /// Where something starts.
    Page(u32) "page", bounds(Kind::Page), |n| n as u32;
    /// How many pages, at least one.
    Pages(u32) "pages", bounds(Kind::Pages), |n| n as u32;
    /// A size in pages, which may be none.
    Size(u32) "pages", bounds(Kind::Size), |n| n as u32;
    /// A frame number.
    Frame(u32) "pfn", (0, u32::MAX as u64), |n| n as u32;
    /// An order: a folio of a gibibyte is the largest.
    OrderArg(Order) "order", (0, 18), |n| Order(n as u8);
    /// References.
    Refs(i32) "refs", (1, 1 << 20), |n| n as i32;
    /// The data word of a page.
    Word(u64) "value", bounds(Kind::Value), |n| n;
}

/// A word out of a few.
pub(crate) fn word<T>(
    value: Borrowed<'_, '_, PyAny>,
    what: &str,
    words: &[&str],
    read: impl Fn(&str) -> Option<T>,
) -> PyResult<T> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(wrong_type(value, what, "a str"));
    };
    let text = text.to_string_lossy();
    read(&text).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
        let known = known.join(", ");
        PyValueError::new_err(format!("{what} is {text:?}; it must be one of {known}"))
    })
}

macro_rules! words {
    ($($(#[$doc:meta])+ $name:ident($inner:ty) $what:literal, $all:expr;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        impl<'a, 'py> FromPyObject<'a, 'py> for $name {
            type Error = PyErr;

            fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                let all: Vec<(&str, $inner)> = $all;
                let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
                let read = |text: &str| all.iter().find(|(word, _)| *word == text);
                word(value, $what, &words, |text| read(text).map(|(_, meaning)| Self(*meaning)))
            }
        }
    )+};
}

fn spelled<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> Vec<(&'static str, T)> {
    all.iter().map(|value| (word(*value), *value)).collect()
}

const PAGEMAP_TYPES: [PagemapType; 4] =
    [PagemapType::Private, PagemapType::Coherent, PagemapType::FsDax, PagemapType::Generic];

/// The word of a type of pagemap (`enum memory_type`).
pub(crate) fn pagemap_word(kind: PagemapType) -> &'static str {
    match kind {
        PagemapType::Private => "private",
        PagemapType::Coherent => "coherent",
        PagemapType::FsDax => "fs_dax",
        PagemapType::Generic => "generic",
    }
}

words! {
    /// How a file lies on the device.
    LayoutWord(Layout) "layout", spelled(Layout::ALL, Layout::word);
    /// What a pagemap is for.
    PagemapWord(PagemapType) "type", spelled(&PAGEMAP_TYPES, pagemap_word);
    /// What becomes of a call that nobody can wake.
    StuckWord(Stuck) "stuck", spelled(Stuck::ALL, Stuck::word);
    /// What a new file is made of; none for holes.
    StateWord(Option<FileState>) "state", vec![
        ("written", Some(FileState::Written)),
        ("unwritten", Some(FileState::Unwritten)),
        ("sparse", None),
    ];
}

/// The name of a file.
#[derive(Clone, Debug)]
pub(crate) struct FileName(pub(crate) String);

impl<'a, 'py> FromPyObject<'a, 'py> for FileName {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Ok(text) = value.cast::<PyString>() else {
            return Err(wrong_type(value, "file", "a str"));
        };
        let name = text.to_string_lossy().into_owned();
        if [SLOW_BLOCK, MIRROR].contains(&name.as_str()) || is_file_name(&name) {
            return Ok(Self(name));
        }
        Err(PyValueError::new_err(format!(
            "file is {name:?}, which is no file name: a letter or _, then letters, digits, _ . or -, \
             at most 64 in all"
        )))
    }
}

/// A file where a system call expects a descriptor: the descriptor, or a name.
#[derive(Clone, Debug)]
pub(crate) enum FileArg {
    Fd(FdNo),
    Name(String),
}

impl<'a, 'py> FromPyObject<'a, 'py> for FileArg {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() {
            return value.extract::<FileName>().map(|name| Self::Name(name.0));
        }
        match value.extract::<Fd>() {
            Ok(fd) => Ok(Self::Fd(fd.0)),
            Err(error) if error.is_instance_of::<PyTypeError>(value.py()) => {
                Err(wrong_type(value, "file", "a str (its name) or an int (a descriptor)"))
            }
            Err(error) => Err(error),
        }
    }
}

/// Seconds a call may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(pub(crate) f64);

/// A day: longer waits are somebody's mistake.
const LONGEST: f64 = 86_400.0;

impl<'a, 'py> FromPyObject<'a, 'py> for Deadline {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let sentence = |shown: String| {
            format!("deadline is {shown}; it must be more than 0 and at most {LONGEST} seconds")
        };
        match value.extract::<f64>() {
            Ok(seconds) if seconds > 0.0 && seconds <= LONGEST => Ok(Self(seconds)),
            Ok(seconds) => Err(PyValueError::new_err(sentence(seconds.to_string()))),
            Err(error) if error.is_instance_of::<PyTypeError>(value.py()) => {
                Err(wrong_type(value, "deadline", "a number of seconds"))
            }
            Err(_) => Err(PyValueError::new_err(sentence("far outside".to_owned()))),
        }
    }
}
