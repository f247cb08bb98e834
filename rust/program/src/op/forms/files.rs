//! Files by descriptor or name, and where the file system is mounted.

use super::{At, Form, Names, Text, Use, said};
use crate::op::describe::Kind;
use crate::op::{FdNo, FileIdx, FileRef, FsIdx, SLOW_BLOCK, Target};
use crate::parse::ops;
use crate::parse::words::{Complaint, Words};
use crate::program::Program;

forms! {
    /// A descriptor, or a file by its name.
    File,
    /// A file by its name.
    Named,
    /// A file by its name, or the slow block device.
    Openable,
    /// Where the file system is mounted.
    MountPoint,
}

impl Form<FileRef> for File {
    const KIND: Kind = Kind::File;

    fn read(
        &self,
        at: At,
        words: &mut Words<'_>,
        program: &mut Program,
    ) -> Result<FileRef, Complaint> {
        match words.peek() {
            Some(word) if !word.is_number() => {
                words.skip();
                ops::file(word, program).map(FileRef::File)
            }
            _ => words.handle(at.usage).map(FdNo).map(FileRef::Fd),
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

    fn read(
        &self,
        at: At,
        words: &mut Words<'_>,
        program: &mut Program,
    ) -> Result<FileIdx, Complaint> {
        ops::file(words.take(at.usage)?, program)
    }

    fn text(&self, _: At, value: &FileIdx, names: Names<'_>) -> Text {
        said(names.file(*value))
    }
}

impl Form<Target> for Openable {
    const KIND: Kind = Kind::Openable;

    fn read(
        &self,
        at: At,
        words: &mut Words<'_>,
        program: &mut Program,
    ) -> Result<Target, Complaint> {
        let word = words.take(at.usage)?;
        match word.text {
            SLOW_BLOCK => Ok(Target::SlowBlock),
            _ => ops::file(word, program).map(Target::File),
        }
    }

    fn text(&self, _: At, value: &Target, names: Names<'_>) -> Text {
        match value {
            Target::File(file) => said(names.file(*file)),
            Target::SlowBlock => said(SLOW_BLOCK),
        }
    }

    fn uses(&self, value: &Target) -> Use {
        Use::Target(*value)
    }
}

impl Form<FsIdx> for MountPoint {
    const KIND: Kind = Kind::MountPoint;

    fn read(
        &self,
        _: At,
        words: &mut Words<'_>,
        program: &mut Program,
    ) -> Result<FsIdx, Complaint> {
        ops::mount_point(words.optional(), program)
    }

    fn text(&self, _: At, value: &FsIdx, names: Names<'_>) -> Text {
        said(names.mount(*value))
    }
}
