//! What is given for the arguments of an operation, by the table: each value within what its kind allows.
//!
//! An argument takes the value of the parameter of its name. One without a parameter is what goes without saying.

use std::cell::{Cell, RefCell};

use pgmap_program::Errno;
use pgmap_program::op::{
    Access, Advice, Align, AnonKind, Argument, DeviceMemory, DriverIdx, FdNo, FileIdx, FileRef,
    FsIdx, Kind, Longterm, MIRROR, MapNo, OpenMode, Operation, PageRange, PinNo, PipeNo, Prot,
    SLOW_BLOCK, Sharing, Target, WorkerId,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};

use crate::convert::{FileArg, FileName, bounds, number, word, wrong_type};
use crate::names::Resolved;
use crate::raise::{self, Class};
use crate::signature::{Call, Signature};
use crate::world::World;

/// A row of the table, and how Python calls it.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) row: &'static Operation,
    pub(crate) signature: Signature,
    /// By the row's arguments: which parameter each is.
    pub(crate) places: Vec<Option<usize>>,
}

/// The arguments of a call that is an operation.
pub(crate) struct Given<'a, 'py> {
    world: &'a World,
    called: &'a Called,
    call: Call<'a, 'py>,
    /// Arguments of the row that were taken.
    taken: Cell<usize>,
    /// The file that was named; it keeps its number while this lives.
    file: RefCell<Option<Resolved<'a>>>,
    /// No file has this name.
    missing: RefCell<Option<String>>,
}

/// What an argument can be made of.
pub(crate) trait Take: Sized {
    /// What goes without saying, if anything does.
    const UNSAID: Option<Self> = None;

    /// The value of a parameter of this name.
    fn of(
        given: &Given<'_, '_>,
        value: &Bound<'_, PyAny>,
        name: &str,
        kind: Kind,
    ) -> PyResult<Self>;
}

impl<'a, 'py> Given<'a, 'py> {
    pub(crate) fn new(world: &'a World, called: &'a Called, call: Call<'a, 'py>) -> Self {
        Self {
            world,
            called,
            call,
            taken: Cell::new(0),
            file: RefCell::default(),
            missing: RefCell::default(),
        }
    }

    /// The worker that does it; none where the signature has none, which is the machine's own doing.
    pub(crate) fn worker(&self) -> PyResult<Option<WorkerId>> {
        let value = self.call.named("worker")?;
        value.map(|value| WorkerId::of(self, &value, "worker", Kind::Worker)).transpose()
    }

    /// The row's next argument.
    pub(crate) fn next<T: Take>(&self) -> PyResult<T> {
        let nth = self.taken.replace(self.taken.get() + 1);
        let Argument { name, kind, .. } = self.called.row.arguments[nth];
        match self.called.places[nth] {
            Some(place) => {
                let (value, name) = self.call.value(place)?;
                T::of(self, &value, name, kind)
            }
            None => T::UNSAID.ok_or_else(|| self.wrong(name)),
        }
    }

    /// A method's signature does not go with its row: a bug here.
    fn wrong(&self, argument: &str) -> PyErr {
        let why = format!("no parameter is the argument {argument} of {:?}", self.called.row.said);
        raise::error(self.call.py(), Class::InternalError, why)
    }

    /// The number of a file. One that does not exist is told last, when all else that was given is right.
    fn file(&self, name: String) -> PyResult<FileIdx> {
        let Some(resolved) = self.world.find(self.call.py(), &name)? else {
            *self.missing.borrow_mut() = Some(name);
            return Ok(FileIdx(u16::MAX));
        };
        let index = resolved.index;
        *self.file.borrow_mut() = Some(resolved);
        Ok(index)
    }

    /// # Errors
    /// `ENOENT`, if a file was named that does not exist.
    pub(crate) fn all_found(&self) -> PyResult<()> {
        let absent = |name: &String| raise::no_file(self.call.py(), name);
        self.missing.borrow().as_ref().map_or(Ok(()), |name| Err(absent(name)))
    }
}

macro_rules! numbers {
    ($($make:expr => $name:ty,)+) => {$(
        impl Take for $name {
            fn of(_: &Given<'_, '_>, value: &Bound<'_, PyAny>, name: &str, kind: Kind) -> PyResult<Self> {
                let (low, high) = bounds(kind);
                number(value.as_borrowed(), name, low, high).map($make)
            }
        }
    )+};
}

numbers! {
    |n| WorkerId(n as u8) => WorkerId,
    |n| FdNo(n as u8) => FdNo,
    |n| MapNo(n as u8) => MapNo,
    |n| PipeNo(n as u8) => PipeNo,
    |n| PinNo(n as u16) => PinNo,
    |n| n as u8 => u8,
    |n| n as u32 => u32,
    |n| n => u64,
}

macro_rules! optional {
    ($($name:ty)+) => {$(
        impl Take for Option<$name> {
            const UNSAID: Option<Self> = Some(None);

            fn of(given: &Given<'_, '_>, value: &Bound<'_, PyAny>, name: &str, kind: Kind) -> PyResult<Self> {
                if value.is_none() { Ok(None) } else { <$name>::of(given, value, name, kind).map(Some) }
            }
        }
    )+};
}

optional! { WorkerId PinNo u32 }

macro_rules! words {
    ($($name:ident)+) => {$(
        impl Take for $name {
            const UNSAID: Option<Self> = Some($name::ALL[0]);

            fn of(_: &Given<'_, '_>, value: &Bound<'_, PyAny>, name: &str, kind: Kind) -> PyResult<Self> {
                word(value.as_borrowed(), name, kind.words(), $name::from_word)
            }
        }
    )+};
}

words! { Access Advice Align AnonKind DeviceMemory OpenMode Prot Sharing }

/// Said by its word in the language, and by yes or no here.
impl Take for Longterm {
    const UNSAID: Option<Self> = Some(Self::Short);

    fn of(_: &Given<'_, '_>, value: &Bound<'_, PyAny>, name: &str, _: Kind) -> PyResult<Self> {
        match value.cast::<PyBool>() {
            Ok(yes) if yes.is_true() => Ok(Self::Long),
            Ok(_) => Ok(Self::Short),
            Err(_) => Err(wrong_type(value.as_borrowed(), name, "a bool")),
        }
    }
}

/// Two parameters, `page` and `pages`: both ends, the first alone, or neither.
impl Take for Option<PageRange> {
    fn of(given: &Given<'_, '_>, value: &Bound<'_, PyAny>, name: &str, _: Kind) -> PyResult<Self> {
        let page = Option::<u32>::of(given, value, name, Kind::Page)?;
        let pages = given.call.named("pages")?;
        let pages =
            pages.map(|pages| Option::of(given, &pages, "pages", Kind::Pages)).transpose()?;
        match (page, pages.flatten()) {
            (None, None) => Ok(None),
            (Some(page), pages) => Ok(Some(PageRange { page, pages: pages.unwrap_or(1) })),
            (None, Some(_)) => Err(PyTypeError::new_err("pages without page: which ones?")),
        }
    }
}

/// A world has one file system.
impl Take for FsIdx {
    const UNSAID: Option<Self> = Some(FsIdx(0));

    fn of(given: &Given<'_, '_>, _: &Bound<'_, PyAny>, name: &str, _: Kind) -> PyResult<Self> {
        Err(given.wrong(name))
    }
}

impl Take for FileIdx {
    fn of(given: &Given<'_, '_>, value: &Bound<'_, PyAny>, _: &str, _: Kind) -> PyResult<Self> {
        given.file(value.extract::<FileName>()?.0)
    }
}

/// By its name, or as the `Driver` that was loaded.
impl Take for DriverIdx {
    fn of(given: &Given<'_, '_>, value: &Bound<'_, PyAny>, name: &str, _: Kind) -> PyResult<Self> {
        let named = value.cast::<PyString>().is_err().then(|| value.getattr("name")).transpose();
        let called = named.ok().map(|named| named.unwrap_or_else(|| value.clone()));
        let Some(called) = called.and_then(|called| called.extract::<String>().ok()) else {
            return Err(wrong_type(value.as_borrowed(), name, "the name of a driver"));
        };
        given.world.entry.threaded(value.py())?;
        let at = given.world.drivers().iter().position(|driver| driver.name == called);
        at.and_then(|at| u8::try_from(at).ok()).map(DriverIdx).ok_or_else(|| {
            raise::failure(value.py(), Errno::ENODEV.into(), &format!("driver {called}"))
        })
    }
}

impl Take for Target {
    fn of(given: &Given<'_, '_>, value: &Bound<'_, PyAny>, _: &str, _: Kind) -> PyResult<Self> {
        match value.extract::<FileName>()?.0 {
            name if name == SLOW_BLOCK => Ok(Self::SlowBlock),
            name if name == MIRROR => Ok(Self::Mirror),
            name => given.file(name).map(Self::File),
        }
    }
}

/// A name, or a descriptor.
impl Take for FileRef {
    fn of(given: &Given<'_, '_>, value: &Bound<'_, PyAny>, _: &str, _: Kind) -> PyResult<Self> {
        match value.extract::<FileArg>()? {
            FileArg::Name(name) => given.file(name).map(Self::File),
            FileArg::Fd(fd) => Ok(Self::Fd(fd)),
        }
    }
}
