//! Programs and operations as text: exactly what [`Program::parse`](crate::Program::parse) reads back.

use std::fmt;

use crate::op::{Access, Align, FileIdx, FileRef, FsIdx, Layout, Longterm, Op, PinNo, Target};
use crate::parse::ops::SLOW_BLOCK;
use crate::program::{Issue, Program, Step};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            write!(f, "file {} {} {}", file.name, file.pages, file.state.word())?;
            match file.layout {
                Layout::Contiguous => writeln!(f)?,
                Layout::Huge => writeln!(f, " {}", file.layout.word())?,
            }
        }
        for step in &self.steps {
            if let Some(label) = &step.label {
                write!(f, "{label}: ")?;
            }
            writeln!(f, "{}", self.step_text(step))?;
        }
        for it in &self.expectations {
            writeln!(f, "{}", self.expectation_text(it))?;
        }
        Ok(())
    }
}

impl Program {
    /// One step as text, with the names of this program: `w1 ftruncate f 0 &`.
    #[must_use]
    pub fn step_text<'a>(&'a self, step: &'a Step) -> impl fmt::Display + 'a {
        StepText { program: self, step }
    }

    /// One operation as text, with the names of this program: `ftruncate f 0`.
    #[must_use]
    pub fn op_text<'a>(&'a self, op: &'a Op) -> impl fmt::Display + 'a {
        OpText { op, program: Some(self) }
    }
}

/// Without a program at hand, files print by number (`@0`): for messages, not for reading back.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OpText { op: self, program: None }.fmt(f)
    }
}

struct StepText<'a> {
    program: &'a Program,
    step: &'a Step,
}

impl fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(who) = self.step.who {
            write!(f, "{who} ")?;
        }
        write!(f, "{}", self.program.op_text(&self.step.op))?;
        match self.step.issue {
            Issue::Wait => Ok(()),
            Issue::Async => f.write_str(" &"),
        }
    }
}

struct OpText<'a> {
    op: &'a Op,
    program: Option<&'a Program>,
}

impl OpText<'_> {
    fn file(&self, file: FileIdx) -> String {
        match self.program.and_then(|p| p.files.get(file.index())) {
            Some(spec) => spec.name.clone(),
            None => format!("@{file}"),
        }
    }

    fn file_ref(&self, file: FileRef) -> String {
        match file {
            FileRef::Fd(fd) => fd.to_string(),
            FileRef::File(file) => self.file(file),
        }
    }

    fn mount(&self, fs: FsIdx) -> String {
        match self.program.and_then(|p| p.mounts.get(fs.index())) {
            Some(path) => path.clone(),
            None => format!("@{fs}"),
        }
    }
}

fn opt<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(String::new, |v| format!(" {v}"))
}

/// ` N` unless it is the 1 that goes without saying.
fn count(pages: u32) -> String {
    opt((pages != 1).then_some(pages))
}

fn pin_or_dash(pin: Option<PinNo>) -> String {
    pin.map_or_else(|| "-".to_owned(), |p| p.to_string())
}

impl fmt::Display for OpText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            Op::Baseline => f.write_str("baseline"),
            Op::End => f.write_str("end"),
            Op::Sleep => f.write_str("sleep"),
            Op::Start => f.write_str("start"),
            Op::Retrack => f.write_str("retrack"),
            Op::Wait { worker } => write!(f, "wait{}", opt(*worker)),
            Op::Nop => f.write_str("nop"),
            Op::Spawn => f.write_str("spawn"),
            Op::Fork { child } => write!(f, "fork {}", child.0),
            Op::Exit => f.write_str("exit"),
            Op::Kill => f.write_str("kill"),
            Op::Open { fd, target, mode } => {
                let target = match target {
                    Target::File(file) => self.file(*file),
                    Target::SlowBlock => SLOW_BLOCK.to_owned(),
                };
                write!(f, "open {fd} {target} {}", mode.word())
            }
            Op::Close { fd } => write!(f, "close {fd}"),
            Op::Unlink { file } => write!(f, "unlink {}", self.file(*file)),
            Op::Pread { file, page, pages } => {
                write!(f, "pread {} {page} {pages}", self.file_ref(*file))
            }
            Op::Pwrite { file, page, pages } => {
                write!(f, "pwrite {} {page} {pages}", self.file_ref(*file))
            }
            Op::Fsync { file } => write!(f, "fsync {}", self.file_ref(*file)),
            Op::Ftruncate { file, pages } => {
                write!(f, "ftruncate {} {pages}", self.file_ref(*file))
            }
            Op::Punch { file, page, pages } => {
                write!(f, "punch {} {page} {pages}", self.file_ref(*file))
            }
            Op::Zerorange { file, page, pages } => {
                write!(f, "zerorange {} {page} {pages}", self.file_ref(*file))
            }
            Op::Mmap { map, file, offset, pages, prot, sharing, align } => {
                let file = self.file_ref(*file);
                let (prot, sharing) = (prot.word(), sharing.word());
                let odd = match align {
                    Align::Natural => "",
                    Align::Odd => " odd",
                };
                write!(f, "mmap {map} {file} {offset} {pages} {prot} {sharing}{odd}")
            }
            Op::Umount { fs } => write!(f, "umount {}", self.mount(*fs)),
            Op::Mount { fs } => write!(f, "mount {}", self.mount(*fs)),
            Op::Unbind => f.write_str("unbind"),
            Op::Bind => f.write_str("bind"),
            Op::Unsupported { name, args } => {
                f.write_str(name)?;
                args.iter().try_for_each(|arg| write!(f, " {arg}"))
            }
            _ => self.memory(f),
        }
    }
}

impl OpText<'_> {
    /// Operations on mappings, references and driver memory.
    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            Op::Munmap { map, range: None } => write!(f, "munmap {map}"),
            Op::Munmap { map, range: Some(r) } => write!(f, "munmap {map} {} {}", r.page, r.pages),
            Op::Touch { map, access, page, pages } => {
                write!(f, "{} {map} {page}{}", access.word(), count(*pages))
            }
            Op::Load { map, page } => write!(f, "load {map} {page}"),
            Op::Store { map, page, value } => write!(f, "store {map} {page} {value}"),
            Op::Msync { map } => write!(f, "msync {map}"),
            Op::Madvise { map, advice, page } => {
                write!(f, "madvise {map} {} {page}", advice.word())
            }
            Op::Pipe { pipe } => write!(f, "pipe {pipe}"),
            Op::Vmsplice { pipe, map, page, pages } => {
                write!(f, "vmsplice {pipe} {map} {page} {pages}")
            }
            Op::Tee { from, to, pages } => write!(f, "tee {from} {to} {pages}"),
            Op::Drain { pipe, pages } => write!(f, "drain {pipe} {pages}"),
            Op::Pvmread { target, map, page, pages } => {
                write!(f, "pvmread {} {map} {page} {pages}", target.0)
            }
            Op::UringReg { map, page, pages } => write!(f, "uring_reg {map} {page} {pages}"),
            Op::UringUnreg => f.write_str("uring_unreg"),
            Op::DioWrite { device, map, page, pages, ticks } => {
                write!(f, "dio_write {device} {map} {page} {pages}{}", opt(*ticks))
            }
            Op::DioRead { device, map, page, pages, ticks } => {
                write!(f, "dio_read {device} {map} {page} {pages}{}", opt(*ticks))
            }
            Op::Pin { map, page, pages, longterm, access } => {
                let longterm = match longterm {
                    Longterm::Short => "",
                    Longterm::Long => " longterm",
                };
                let access = match access {
                    Access::Read => "",
                    Access::Write => " w",
                };
                write!(f, "pin {map} {page}{}{longterm}{access}", count(*pages))
            }
            Op::Get { map, page, pages } => write!(f, "get {map} {page}{}", count(*pages)),
            Op::Unpin { pin } => write!(f, "unpin{}", opt(*pin)),
            Op::DmaWrite { pin, value: 1 } => write!(f, "dma_write{}", opt(*pin)),
            Op::DmaWrite { pin, value } => write!(f, "dma_write {} {value}", pin_or_dash(*pin)),
            Op::DmaRead { pin } => write!(f, "dma_read{}", opt(*pin)),
            Op::DevAlloc { start, pages } => write!(f, "dev_alloc {start} {pages}"),
            Op::DevGet { page } => write!(f, "dev_get {page}"),
            Op::DevPut { page } => write!(f, "dev_put {page}"),
            // Printed by the caller.
            _ => Ok(()),
        }
    }
}
