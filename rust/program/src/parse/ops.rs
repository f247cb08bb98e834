//! One step's words to one [`Op`], by the table of operations.

use super::lacking;
use super::words::{Complaint, Reading, Word, Words};
use crate::nearest::hint;
use crate::op::{
    By, DriverIdx, FileIdx, FsIdx, MIRROR, Mount, Op, Operation, SLOW_BLOCK, WorkerId,
};
use crate::program::Program;

/// Where a file system is mounted if the program does not say.
const MOUNT: &str = "/mnt/dax";

/// Reads one operation. Files are looked up in `program`; the first mount point named becomes its own.
pub(crate) fn parse(
    name: Word<'_>,
    args: &[Word<'_>],
    who: Option<WorkerId>,
    program: &mut Program,
) -> Result<Op, Complaint> {
    if let Some(op) = other_means(name, args, program)? {
        return Ok(op);
    }
    let operation = Operation::named(name.text).ok_or_else(|| {
        let like = hint(name.text, Operation::words().map(|said| said.word));
        name.complain(format!("no operation is called \"{}\"{like}", name.text))
    })?;
    match (operation.by, who) {
        (By::Worker, None) => {
            return Err(name.complain(format!(
                "{} needs a worker in front of it, for example w0 {0}",
                name.text
            )));
        }
        (By::Environment, Some(w)) => {
            return Err(
                name.complain(format!("{} is done by the environment: leave out {w}", name.text))
            );
        }
        _ => {}
    }
    let mut words = Words::new(name, operation.usage, args);
    let op = (operation.read)(&mut Reading { words: &mut words, program })?;
    words.finish()?;
    Ok(op)
}

/// What the recorder does by other means (shell, sysfs), and what this model cannot do yet.
fn other_means(
    name: Word<'_>,
    args: &[Word<'_>],
    program: &mut Program,
) -> Result<Option<Op>, Complaint> {
    let texts: Vec<&str> = args.iter().map(|a| a.text).collect();
    match (name.text, texts.as_slice()) {
        ("sh", ["mount", .., path]) if path.starts_with('/') => {
            let path = args.last().copied();
            return mount_point(path, program).map(|fs| Some(Mount { fs }.into()));
        }
        (
            "sysfs",
            ["/sys/bus/nd/drivers/nd_pmem/unbind" | "/sys/bus/dax/drivers/device_dax/unbind", _],
        ) => return Ok(Some(Op::Unbind)),
        (
            "sysfs",
            ["/sys/bus/nd/drivers/nd_pmem/bind" | "/sys/bus/dax/drivers/device_dax/bind", _],
        ) => return Ok(Some(Op::Bind)),
        ("open", [_, SLOW_BLOCK | MIRROR, _]) => return Ok(None),
        // The device of a recording of device-dax is declared as a file.
        ("open", [_, path, mode])
            if path.starts_with('/') && program.file(path).is_some() && !lacking::is_mode(mode) =>
        {
            return Ok(None);
        }
        // A file that was not declared and a mode that is none are mistakes.
        ("open", [_, path, mode]) if !path.starts_with('/') && !lacking::is_mode(mode) => {
            return Ok(None);
        }
        _ => {}
    }
    Ok(lacking::reason(name.text, &texts).map(|_| {
        let args = texts.into_iter().map(str::to_owned).collect();
        Op::Unsupported { name: name.text.to_owned(), args }
    }))
}

/// The file of this name.
pub(crate) fn file(word: Word<'_>, program: &Program) -> Result<FileIdx, Complaint> {
    program.file(word.text).ok_or_else(|| {
        let like = hint(word.text, program.files.iter().map(|f| f.name.as_str()));
        word.complain(format!("no file is called \"{}\"{like}: declare it with file", word.text))
    })
}

/// The driver of this name.
pub(crate) fn driver(word: Word<'_>, program: &Program) -> Result<DriverIdx, Complaint> {
    program.driver(word.text).ok_or_else(|| {
        let like = hint(word.text, program.drivers.iter().map(|it| it.name.as_str()));
        let what = format!("no driver is called \"{}\"{like}: declare it with driver", word.text);
        word.complain(what)
    })
}

/// The mount point of this path; a program has one.
pub(crate) fn mount_point(
    word: Option<Word<'_>>,
    program: &mut Program,
) -> Result<FsIdx, Complaint> {
    let path = word.map_or_else(
        || program.mounts.first().map_or(MOUNT, |m| m).to_owned(),
        |w| w.text.to_owned(),
    );
    match (program.mounts.first(), word) {
        (Some(known), Some(word)) if *known != path => {
            Err(word
                .complain(format!("the file system is mounted at {known}, and a program has one")))
        }
        (_, Some(word)) if !path.starts_with('/') || path.len() < 2 => {
            Err(word.complain(format!("PATH is \"{path}\"; it must begin with /")))
        }
        (Some(_), _) => Ok(FsIdx(0)),
        (None, _) => {
            program.mounts.push(path);
            Ok(FsIdx(0))
        }
    }
}
