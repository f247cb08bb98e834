//! What a program numbers: descriptors, mappings, pipes, pins; and workers.

use std::fmt;

use super::{At, Form, Names, Number, Text, Use, said, some};
use crate::op::describe::{Handle, Kind, Role};
use crate::op::{FdNo, MapNo, PinNo, PipeNo, WorkerId};
use crate::parse::words::{Complaint, Reading, Word};

/// A number of a process.
trait Numbered: Copy + fmt::Display {
    const HANDLE: Handle;
    fn of(number: u8) -> Self;
    fn used(self, role: Role) -> Use;
}

macro_rules! numbered {
    ($($name:ident $handle:ident $used:ident,)+) => {$(
        impl Numbered for $name {
            const HANDLE: Handle = Handle::$handle;

            fn of(number: u8) -> Self {
                Self(number)
            }

            fn used(self, role: Role) -> Use {
                Use::$used(self, role)
            }
        }
    )+};
}

numbered! {
    FdNo Fd Fd,
    MapNo Mapping Map,
    PipeNo Pipe Pipe,
}

macro_rules! handles {
    ($($(#[$doc:meta])+ $name:ident $role:ident,)+) => {$(
        $(#[$doc])+
        pub(crate) struct $name;

        impl<T: Numbered> Form<T> for $name {
            const KIND: Kind = Kind::Handle(T::HANDLE, Role::$role);

            fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<T, Complaint> {
                from.words.handle(at.usage).map(T::of)
            }

            fn text(&self, _: At, value: &T, _: Names<'_>) -> Text {
                said(value)
            }

            fn uses(&self, value: &T) -> Use {
                value.used(Role::$role)
            }
        }
    )+};
}

handles! {
    /// Something the worker has.
    Uses Uses,
    /// Something the worker named before has.
    Theirs Theirs,
    /// Something the worker may have.
    MayUse MayUse,
    /// Something that the operation makes.
    Makes Makes,
    /// Something that the operation takes away.
    Ends Ends,
    /// The slow block device.
    Device Device,
}

macro_rules! pins {
    ($($(#[$doc:meta])+ $name:ident $role:ident,)+) => {$(
        $(#[$doc])+
        pub(crate) struct $name;

        impl Form<Option<PinNo>> for $name {
            const KIND: Kind = Kind::Pin(Role::$role);

            fn read(&self, _: At, from: &mut Reading<'_, '_>) -> Result<Option<PinNo>, Complaint> {
                from.words.pin()
            }

            fn text(&self, _: At, value: &Option<PinNo>, _: Names<'_>) -> Text {
                value.map_or(Text::Unsaid("-"), said)
            }

            fn uses(&self, value: &Option<PinNo>) -> Use {
                Use::Pin(*value, Role::$role)
            }

            fn numbers(&self, value: &mut Option<PinNo>, visit: &mut dyn FnMut(Number<'_>)) {
                value.iter_mut().for_each(|pin| visit(Number::Pin(pin)));
            }
        }
    )+};
}

pins! {
    /// A pin the worker has; none named is the most recent one.
    UsesPin Uses,
    /// The pin that it gives back.
    EndsPin Ends,
}

forms! {
    /// A worker, printed by its number.
    Worker,
    /// A worker that must be running.
    Other,
    /// A worker, or none for all of them.
    SomeWorker,
}

impl Form<WorkerId> for Worker {
    const KIND: Kind = Kind::Worker;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<WorkerId, Complaint> {
        from.words.take(at.usage)?.worker()
    }

    fn text(&self, _: At, value: &WorkerId, _: Names<'_>) -> Text {
        said(value.0)
    }
}

impl Form<WorkerId> for Other {
    const KIND: Kind = Kind::Worker;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<WorkerId, Complaint> {
        Worker.read(at, from)
    }

    fn text(&self, at: At, value: &WorkerId, names: Names<'_>) -> Text {
        Worker.text(at, value, names)
    }

    fn uses(&self, value: &WorkerId) -> Use {
        Use::Worker(*value)
    }
}

impl Form<Option<WorkerId>> for SomeWorker {
    const KIND: Kind = Kind::Worker;

    fn read(&self, _: At, from: &mut Reading<'_, '_>) -> Result<Option<WorkerId>, Complaint> {
        from.words.optional().map(Word::worker).transpose()
    }

    fn text(&self, _: At, value: &Option<WorkerId>, _: Names<'_>) -> Text {
        some(*value)
    }
}
