//! What the rows of the table become: a type for each operation with arguments, and the enum over all.

use std::fmt;

use serde::Serialize;

use super::describe::{Argument, By, Hunted, Operation, Returns, Said};
// Whatever form a row names.
use super::forms::*;
use super::{
    Access, Advice, Align, AnonKind, DeviceMemory, DriverIdx, FdNo, FileIdx, FileRef, FsIdx,
    Longterm, MapNo, OpenMode, PageRange, PinNo, PipeNo, Prot, Sharing, Target, WorkerId,
};
use crate::errno::{Died, Errno};

/// What reports name a call: what the row says, or its word.
macro_rules! call_of {
    ($word:literal) => {
        $word
    };
    ($word:literal $call:literal) => {
        $call
    };
}

macro_rules! at {
    ($name:ident $usage:literal) => {
        At { name: stringify!($name), usage: $usage }
    };
}

/// Who does an operation.
macro_rules! by {
    (worker) => {
        By::Worker
    };
    (environment) => {
        By::Environment
    };
}

macro_rules! define {
    (() $(
        $(#[doc = $sentence:literal])+
        $by:ident($($word:literal $(as $call:literal)?),+) $method:ident:
            $name:ident $(($args:ident {
                $($field:ident: $value:ty = $form:ident($usage:literal)),+ $(,)?
            }))?
        -> $returns:ident [$($errno:ident)* $(| $($died:ident)+)?]
        $(hunt $turn:literal $hunted:literal = $text:literal)*;
    )+) => {
        $($(
            #[doc = concat!("The arguments of [`Op::", stringify!($args), "`].")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
            pub struct $args {
                $(#[doc = concat!("`", $usage, "` of the text.")] pub $field: $value,)+
            }

            impl From<$args> for Op {
                fn from(it: $args) -> Op {
                    Op::$name(it)
                }
            }
        )?)+

        /// One operation. Pages count from the start of the mapping or file; there is no run of none.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case", tag = "op")]
        pub enum Op {
            $($(#[doc = $sentence])+ $name $(($args))?,)+
            /// Something the recorder can do and this model cannot yet.
            Unsupported {
                /// Its word.
                name: String,
                /// What follows it.
                args: Vec<String>,
            },
        }

        /// Every operation of the language; what else a kernel can be asked for is in
        /// [`lacking`](crate::parse::lacking()).
        pub static OPERATIONS: &[Operation] = &[$(Operation {
            said: &[$(Said { word: $word, call: call_of!($word $($call)?) }),+],
            by: by!($by),
            sentence: concat!($($sentence),+).trim_ascii_start(),
            usage: concat!($($(" ", $usage),+)?).trim_ascii_start(),
            arguments: &[$($(Argument {
                name: stringify!($field),
                usage: $usage,
                kind: <$form as Form<$value>>::KIND,
            }),+)?],
            returns: Returns::$returns,
            errnos: &[$(Errno::$errno),*],
            deaths: &[$($(Died::$died),+)?],
            hunted: &[$(Hunted { turn: $turn, word: $hunted, text: $text }),*],
            #[allow(unused_variables)] // by operations without arguments
            read: |from| Ok(Op::$name $(($args {
                $($field: $form.read(at!($field $usage), from)?),+
            }))?),
        }),+];

        impl Op {
            /// Its row of the table; what the model lacks has none.
            #[must_use]
            pub fn operation(&self) -> Option<&'static Operation> {
                enum Row { $($name),+ }
                let row = match self {
                    $(Op::$name $(($args { .. }))? => Row::$name,)+
                    Op::Unsupported { .. } => return None,
                };
                OPERATIONS.get(row as usize)
            }

            /// The word it is called by.
            #[must_use]
            pub fn word(&self) -> &str {
                match self {
                    $(Op::$name $(($args { $($field),+ }))? => {
                        let spoken: &[Option<&'static str>] =
                            &[None $($(, $form.spoken($field))+)?];
                        spoken.iter().copied().flatten().next().unwrap_or([$($word),+][0])
                    })+
                    Op::Unsupported { name, .. } => name,
                }
            }

            /// Calls `visit` with what a shrinker may change, in the order of the text.
            pub fn numbers(&mut self, visit: &mut dyn FnMut(Number<'_>)) {
                match self {
                    $(Op::$name $(($args { $($field),+ }))? => {
                        let _ = &visit;
                        $($($form.numbers($field, visit);)+)?
                    })+
                    Op::Unsupported { .. } => {}
                }
            }

            /// What of a worker's each argument names, in the order of the text.
            pub(crate) fn uses(&self) -> Vec<Use> {
                match self {
                    $(Op::$name $(($args { $($field),+ }))? => {
                        vec![$($($form.uses($field)),+)?]
                    })+
                    Op::Unsupported { .. } => Vec::new(),
                }
            }

            /// Writes it as it reads back, with the names of a program.
            pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, names: Names<'_>) -> fmt::Result {
                f.write_str(self.word())?;
                match self {
                    $(Op::$name $(($args { $($field),+ }))? => {
                        let texts: Vec<Text> = vec![$($($form.text(at!($field $usage), $field, names)),+)?];
                        say(f, &texts)
                    })+
                    Op::Unsupported { args, .. } => args.iter().try_for_each(|arg| write!(f, " {arg}")),
                }
            }
        }
    };
}

crate::operations!(define);
