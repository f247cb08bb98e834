//! Files by descriptor or name, where the file system is mounted, and drivers.

use super::{At, Form, Names, Text, Use, said};
use crate::op::describe::Kind;
use crate::op::{DriverIdx, FdNo, FileIdx, FileRef, FsIdx, MIRROR, SLOW_BLOCK, Target};
use crate::parse::ops;
use crate::parse::words::{Complaint, Reading};

forms! {
    /// A descriptor, or a file by its name.
    File,
    /// A file by its name.
    Named,
    /// A file by its name, or the slow block device.
    Openable,
    /// Where the file system is mounted.
    MountPoint,
    /// A driver by its name.
    Driver,
}

impl Form<FileRef> for File {
    const KIND: Kind = Kind::File;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<FileRef, Complaint> {
        match from.words.peek() {
            Some(word) if !word.is_number() => {
                from.words.skip();
                ops::file(word, from.program).map(FileRef::File)
            }
            _ => from.words.handle(at.usage).map(FdNo).map(FileRef::Fd),
        }
    }

    fn text(&self, _: At, value: &FileRef, names: Names<'_>) -> Text {
        match value {
            FileRef::Fd(fd) => said(fd),
            FileRef::File(file) => said(names.file(*file)),
        }
    }

    fn uses(&self, value: &FileRef) -> Use {
        Use::File(*value)
    }
}

impl Form<FileIdx> for Named {
    const KIND: Kind = Kind::Name;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<FileIdx, Complaint> {
        ops::file(from.words.take(at.usage)?, from.program)
    }

    fn text(&self, _: At, value: &FileIdx, names: Names<'_>) -> Text {
        said(names.file(*value))
    }
}

impl Form<Target> for Openable {
    const KIND: Kind = Kind::Openable;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<Target, Complaint> {
        let word = from.words.take(at.usage)?;
        match word.text {
            SLOW_BLOCK => Ok(Target::SlowBlock),
            MIRROR => Ok(Target::Mirror),
            _ => ops::file(word, from.program).map(Target::File),
        }
    }

    fn text(&self, _: At, value: &Target, names: Names<'_>) -> Text {
        match value {
            Target::File(file) => said(names.file(*file)),
            Target::SlowBlock => said(SLOW_BLOCK),
            Target::Mirror => said(MIRROR),
        }
    }

    fn uses(&self, value: &Target) -> Use {
        Use::Target(*value)
    }
}

impl Form<FsIdx> for MountPoint {
    const KIND: Kind = Kind::MountPoint;

    fn read(&self, _: At, from: &mut Reading<'_, '_>) -> Result<FsIdx, Complaint> {
        ops::mount_point(from.words.optional(), from.program)
    }

    fn text(&self, _: At, value: &FsIdx, names: Names<'_>) -> Text {
        said(names.mount(*value))
    }
}

impl Form<DriverIdx> for Driver {
    const KIND: Kind = Kind::Driver;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<DriverIdx, Complaint> {
        ops::driver(from.words.take(at.usage)?, from.program)
    }

    fn text(&self, _: At, value: &DriverIdx, names: Names<'_>) -> Text {
        said(names.driver(*value))
    }
}
