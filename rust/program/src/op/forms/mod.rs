//! How each kind of argument is read from the text, printed into it, and what it means to those who follow handles
//! or shrink programs. A row of the table says by which form an argument stands in the text.
//!
//! What goes without saying is not printed, unless something is said behind it that would be taken for it.

macro_rules! forms {
    ($($(#[$doc:meta])+ $name:ident,)+) => {$(
        $(#[$doc])+
        pub(crate) struct $name;
    )+};
}

mod files;
mod handles;
mod keywords;
mod numbers;

use std::fmt;

use super::describe::{Kind, Role};
use super::{DriverIdx, FdNo, FileIdx, FileRef, FsIdx, MapNo, PinNo, PipeNo, Target, WorkerId};
use crate::parse::words::{Complaint, Reading};
use crate::program::Program;

pub(crate) use files::*;
pub(crate) use handles::*;
pub(crate) use keywords::*;
pub(crate) use numbers::*;

/// How an argument of type `T` stands in the text.
pub(crate) trait Form<T> {
    /// What it is.
    const KIND: Kind;

    /// Reads it.
    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<T, Complaint>;

    /// How it is printed.
    fn text(&self, at: At, value: &T, names: Names<'_>) -> Text;

    /// What of a worker's it names.
    fn uses(&self, _value: &T) -> Use {
        Use::Nothing
    }

    /// What in it a shrinker may change.
    fn numbers(&self, _value: &mut T, _visit: &mut dyn FnMut(Number<'_>)) {}

    /// The operation's word, where that is the argument.
    fn spoken(&self, _value: &T) -> Option<&'static str> {
        None
    }
}

/// What a number in an operation counts, which is also how small it can get.
#[derive(Debug)]
pub enum Number<'a> {
    /// Which page: 0 is the first. The new size of a file, too.
    Page(&'a mut u32),
    /// How many pages: at least 1.
    Count(&'a mut u32),
    /// A pin by its number.
    Pin(&'a mut PinNo),
}

/// What an argument names of those things that must have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Nothing,
    Worker(WorkerId),
    Fd(FdNo, Role),
    Map(MapNo, Role),
    Pipe(PipeNo, Role),
    Pin(Option<PinNo>, Role),
    File(FileRef),
    Target(Target),
    /// Only a part of what the operation names is meant.
    Part,
}

/// An argument as text.
#[derive(Debug)]
pub(crate) enum Text {
    Said(String),
    /// Goes without saying; this stands in its place if something behind it is said.
    Unsaid(&'static str),
}

/// Writes arguments, each behind a space.
pub(crate) fn say(f: &mut fmt::Formatter<'_>, texts: &[Text]) -> fmt::Result {
    let end =
        texts.iter().rposition(|text| matches!(text, Text::Said(_))).map_or(0, |last| last + 1);
    texts[..end].iter().try_for_each(|text| match text {
        Text::Said(text) => write!(f, " {text}"),
        Text::Unsaid("") => Ok(()),
        Text::Unsaid(text) => write!(f, " {text}"),
    })
}

/// The names that a program gives to files, drivers and mount points.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a>(pub(crate) Option<&'a Program>);

impl Names<'_> {
    fn file(self, file: FileIdx) -> String {
        match self.0.and_then(|program| program.files.get(file.index())) {
            Some(spec) => spec.name.clone(),
            None => format!("@{file}"),
        }
    }

    fn driver(self, driver: DriverIdx) -> String {
        match self.0.and_then(|program| program.drivers.get(driver.index())) {
            Some(spec) => spec.name.clone(),
            None => format!("@{driver}"),
        }
    }

    fn mount(self, fs: FsIdx) -> String {
        match self.0.and_then(|program| program.mounts.get(fs.index())) {
            Some(path) => path.clone(),
            None => format!("@{fs}"),
        }
    }
}

/// An argument of an operation: its name, and how the table shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
}

impl At {
    /// How it is shown without the brackets that say that it may be left out.
    fn what(self) -> &'static str {
        self.usage.trim_start_matches('[').trim_end_matches(']')
    }
}

fn said(value: impl ToString) -> Text {
    Text::Said(value.to_string())
}

/// Said if there is one.
fn some(value: Option<impl ToString>) -> Text {
    value.map_or(Text::Unsaid(""), said)
}
