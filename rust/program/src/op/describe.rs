//! The table as data: what the language reference prints, and what generators of programs draw from.

use serde::Serialize;

use crate::errno::{Died, Errno};
use crate::op::{
    FD_NUMBERS, Fork, HANDLES_MAX, OPERATIONS, Op, PAGE_MAX, REFS, Thread, WORKERS_MAX, WorkerId,
};
use crate::parse::words::{Complaint, Reading};

/// What a row's `-> Returns` is in words, for what is written when something is built.
#[macro_export]
macro_rules! meaning_of_return {
    (Zero) => {
        "0"
    };
    (Bytes) => {
        "how many bytes were moved, 4096 to a page"
    };
    (Pages) => {
        "how many pages were given back"
    };
    (Pinned) => {
        "how many pages were taken; they are kept under the worker's next number for pins, which a failing call uses \
         up, too"
    };
    (Word) => {
        "the data word of a page"
    };
    (Folios) => {
        "how many folios were made"
    };
    (FdNumber) => {
        "the number"
    };
    (Driven) => {
        "what the driver's last `load` read, or, where it has none, the page, counted from its first one"
    };
}

/// One row of the table.
#[derive(Debug)]
pub struct Operation {
    /// How it is called: more than one word where the word is an argument.
    pub said: &'static [Said],
    /// Who does it.
    pub by: By,
    /// What it does, in a sentence or two.
    pub sentence: &'static str,
    /// Its arguments as a complaint shows them.
    pub usage: &'static str,
    /// Its arguments, in the order of the text.
    pub arguments: &'static [Argument],
    /// What it returns.
    pub returns: Returns,
    /// The error numbers it can end with, besides those that any call can.
    pub errnos: &'static [Errno],
    /// The signals that its worker can die of in it.
    pub deaths: &'static [Died],
    /// The words of hunts that stand for it.
    pub hunted: &'static [Hunted],
    pub(crate) read: fn(&mut Reading<'_, '_>) -> Result<Op, Complaint>,
}

/// A word of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The word.
    pub word: &'static str,
    /// What reports name the call.
    pub call: &'static str,
}

/// A word of hunts: what a worker says for it, and how early it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hunted {
    /// Its place in the order in which words are tried.
    pub turn: u32,
    /// The word.
    pub word: &'static str,
    /// The operation with its arguments, on a file `f` of one page.
    pub text: &'static str,
}

/// Who can do an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A worker: `w0 OP`.
    Worker,
    /// The environment: `OP` alone.
    Environment,
}

/// What an operation returns if it does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Returns {
    /// 0.
    Zero,
    /// How many bytes were moved.
    Bytes,
    /// How many pages were given back.
    Pages,
    /// How many pages were taken; they are kept under the worker's next number for pins, and a call that fails
    /// uses a number up, too.
    Pinned,
    /// The data word of a page.
    Word,
    /// How many folios were made.
    Folios,
    /// The kernel's number of a descriptor.
    FdNumber,
    /// What a driver of the program returns.
    Driven,
}

/// One argument.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// How a complaint shows it, in brackets if it may be left out.
    pub usage: &'static str,
    /// What it is.
    pub kind: Kind,
}

impl Argument {
    /// Whether it may be left out.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.usage.starts_with('[')
    }
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A worker: `w1`, or 1.
    Worker,
    /// A number that the program gives to something of a process.
    Handle(Handle, Role),
    /// A pin by the number of its worker's `pin` or `get`, from 0; `-` is the most recent one.
    Pin(Role),
    /// A descriptor, or the name of a file, which is then opened for this step.
    File,
    /// The name of a file.
    Name,
    /// The name of a file, or the slow block device.
    Openable,
    /// A page, from the start of the mapping, file or device.
    Page,
    /// How many pages, from the page before it on.
    Pages,
    /// A size in pages.
    Size,
    /// A descriptor's number in the kernel.
    FdNumber,
    /// A reference of the program's own, by its number.
    Reference,
    /// A page and how many from there on.
    Part,
    /// A data word, decimal or 0x hexadecimal.
    Value,
    /// A span of virtual time.
    Ticks,
    /// Where the file system is mounted.
    MountPoint,
    /// A driver that the program declares.
    Driver,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Which of the operation's words it is called by.
    Spoken(&'static [&'static str]),
}

/// What a number of a process stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Handle {
    /// An open file.
    Fd,
    /// A mapping.
    Mapping,
    /// A pipe.
    Pipe,
}

/// What becomes of something that an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It must have been made, by the same worker.
    Uses,
    /// As that, by the worker that the argument before names.
    Theirs,
    /// It may have been made.
    MayUse,
    /// It is made.
    Makes,
    /// It is used, and gone afterwards; not so if only a part of it is meant.
    Ends,
    /// It must be a descriptor of the slow block device.
    Device,
}

impl Kind {
    /// Every kind that an operation has an argument of, once.
    #[must_use]
    pub fn all() -> Vec<Kind> {
        let mut all: Vec<Kind> = Vec::new();
        for argument in OPERATIONS.iter().flat_map(|it| it.arguments) {
            if all.iter().all(|known| known.name() != argument.kind.name()) {
                all.push(argument.kind);
            }
        }
        all
    }

    /// A name for machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.told().0
    }

    /// What it is, in words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.told().1
    }

    const fn told(self) -> (&'static str, &'static str) {
        match self {
            Kind::Worker => ("worker", "a worker: w1, or 1"),
            Kind::Handle(Handle::Fd, _) => {
                ("fd", "a descriptor, by the number it was opened under")
            }
            Kind::Handle(Handle::Mapping, _) => {
                ("mapping", "a mapping, by the number it was made under")
            }
            Kind::Handle(Handle::Pipe, _) => ("pipe", "a pipe, by the number it was made under"),
            Kind::Pin(_) => (
                "pin",
                "a pin: which of its worker's pin and get steps took it, from 0; - is the most recent one that it still has",
            ),
            Kind::File => {
                ("file", "a descriptor, or the name of a file, which is then opened for this step")
            }
            Kind::Name => ("name", "the name of a file"),
            Kind::Openable => (
                "openable",
                "the name of a file, or a device: /dev/nullb0, the slow block device, or /dev/hmm_dmirror0",
            ),
            Kind::Page => ("page", "a page, counted from the start of the mapping, file or device"),
            Kind::Pages => ("pages", "how many pages, from the page named before on"),
            Kind::Size => ("size", "a size in pages"),
            Kind::FdNumber => ("fd_number", "the number that the kernel has for a descriptor"),
            Kind::Reference => ("reference", "a reference of the program's own: 0 to 3"),
            Kind::Part => ("part", "a page and how many from there on; without it, all of it"),
            Kind::Value => ("value", "a data word of 64 bits, decimal or 0x hexadecimal"),
            Kind::Ticks => {
                ("ticks", "how many ticks of virtual time; without it, until time passes")
            }
            Kind::MountPoint => {
                ("mount_point", "where the file system is mounted; a program has one")
            }
            Kind::Driver => ("driver", "the name of a driver that the program declares"),
            Kind::Words(_) => ("words", "one of a few words"),
            Kind::Spoken(_) => ("spoken", "the word of the operation itself"),
        }
    }

    /// What becomes of the thing it names, if it names one that a worker has.
    #[must_use]
    pub const fn role(self) -> Option<Role> {
        match self {
            Kind::Handle(_, role) | Kind::Pin(role) => Some(role),
            Kind::File => Some(Role::Uses),
            _ => None,
        }
    }

    /// The words it is one of.
    #[must_use]
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Kind::Words(words) | Kind::Spoken(words) => words,
            _ => &[],
        }
    }

    /// The least and the most it can be, if it is a number.
    #[must_use]
    pub const fn bounds(self) -> Option<(u64, u64)> {
        match self {
            Kind::Worker => Some((0, WORKERS_MAX as u64 - 1)),
            Kind::Handle(..) => Some((0, HANDLES_MAX as u64 - 1)),
            Kind::Pin(_) => Some((0, u16::MAX as u64)),
            Kind::Page => Some((0, PAGE_MAX as u64 - 1)),
            Kind::Pages => Some((1, PAGE_MAX as u64)),
            Kind::Size => Some((0, PAGE_MAX as u64)),
            Kind::FdNumber => Some((0, FD_NUMBERS as u64 - 1)),
            Kind::Reference => Some((0, REFS as u64 - 1)),
            Kind::Value => Some((0, u64::MAX)),
            Kind::Ticks => Some((0, u32::MAX as u64)),
            _ => None,
        }
    }
}

impl Returns {
    /// Whatever an operation returns, once.
    #[must_use]
    pub fn all() -> Vec<Returns> {
        let mut all: Vec<Returns> = OPERATIONS.iter().map(|it| it.returns).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What it is, in words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Returns::Zero => meaning_of_return!(Zero),
            Returns::Bytes => meaning_of_return!(Bytes),
            Returns::Pages => meaning_of_return!(Pages),
            Returns::Pinned => meaning_of_return!(Pinned),
            Returns::Word => meaning_of_return!(Word),
            Returns::Folios => meaning_of_return!(Folios),
            Returns::FdNumber => meaning_of_return!(FdNumber),
            Returns::Driven => meaning_of_return!(Driven),
        }
    }
}

impl Operation {
    /// The operation of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|it| it.said.iter().any(|said| said.word == word))
    }

    /// Every word of the language.
    pub fn words() -> impl Iterator<Item = Said> {
        OPERATIONS.iter().flat_map(|it| it.said).copied()
    }
}

impl Hunted {
    /// Every word of hunts, in the order in which they are tried.
    #[must_use]
    pub fn all() -> Vec<Hunted> {
        let mut all: Vec<Hunted> = OPERATIONS.iter().flat_map(|it| it.hunted).copied().collect();
        all.sort_by_key(|hunted| hunted.turn);
        all
    }

    /// Whether it needs something of this kind that its worker has made.
    #[must_use]
    pub fn needs(self, wanted: Handle) -> bool {
        let word = self.text.split(' ').next().unwrap_or_default();
        let arguments = Operation::named(word).map_or(&[][..], |operation| operation.arguments);
        arguments.iter().any(|argument| match argument.kind {
            Kind::Handle(handle, Role::Uses | Role::Ends) => handle == wanted,
            _ => false,
        })
    }

    /// The number of the call it is, as [`call_number`] gives it.
    #[must_use]
    pub fn call_number(self) -> u8 {
        let word = self.text.split(' ').next();
        let said = Operation::words().find(|said| Some(said.word) == word);
        said.map_or(0, |said| call_number(said.call))
    }
}

/// The name of no call.
const NO_CALL: &str = "-";

/// A small number for the call of this name, so that a task's number can carry what the task is doing; 0 for none.
#[must_use]
pub fn call_number(call: &str) -> u8 {
    Operation::words().position(|said| said.call == call).map_or(0, |at| at as u8 + 1)
}

/// The name behind [`call_number`].
#[must_use]
pub fn call_name(number: u8) -> &'static str {
    let nth = usize::from(number).checked_sub(1);
    nth.and_then(|nth| Operation::words().nth(nth)).map_or(NO_CALL, |said| said.call)
}

impl Op {
    /// What reports name the call.
    #[must_use]
    pub fn call(&self) -> &'static str {
        let word = self.word();
        let said = self.operation().and_then(|it| it.said.iter().find(|said| said.word == word));
        said.map_or(NO_CALL, |said| said.call)
    }

    /// The number of the call, as [`call_number`] gives it.
    #[must_use]
    pub fn call_number(&self) -> u8 {
        call_number(self.call())
    }

    /// The worker that it starts beside its own: a child, or a thread.
    #[must_use]
    pub fn child(&self) -> Option<WorkerId> {
        match self {
            Op::Fork(Fork { child }) | Op::Thread(Thread { child }) => Some(*child),
            _ => None,
        }
    }

    /// Whether it takes a reference that gets the next of its worker's numbers for pins.
    #[must_use]
    pub fn takes_pin(&self) -> bool {
        self.operation().is_some_and(|it| it.returns == Returns::Pinned)
    }
}
