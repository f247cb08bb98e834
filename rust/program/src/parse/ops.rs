//! One step's words to one [`Op`]: the table of operations, then one arm for each.

use super::lacking;
use super::words::{self, Complaint, Word, Words};
use crate::nearest::hint;
use crate::op::{
    Access, Advice, Align, FileIdx, FileRef, FsIdx, Longterm, Op, OpenMode, PAGE_MAX, PageRange,
    Prot, Sharing, Target, WorkerId,
};
use crate::program::Program;

/// Who can do an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A worker: `w0 OP`.
    Worker,
    /// The environment: `OP` alone.
    Environment,
}

/// How an operation is written.
#[derive(Clone, Copy, Debug)]
pub struct Syntax {
    /// Its word.
    pub name: &'static str,
    /// Its arguments.
    pub args: &'static str,
    /// Who does it.
    pub by: By,
}

const fn w(name: &'static str, args: &'static str) -> Syntax {
    Syntax { name, args, by: By::Worker }
}

const fn env(name: &'static str, args: &'static str) -> Syntax {
    Syntax { name, args, by: By::Environment }
}

/// Every operation of the language; what else a kernel can be asked for is in [`lacking`](super::lacking()).
pub const SYNTAX: &[Syntax] = &[
    env("baseline", ""),
    env("end", ""),
    env("sleep", ""),
    env("start", ""),
    env("retrack", ""),
    env("wait", "[W]"),
    w("nop", ""),
    w("spawn", ""),
    w("fork", "W"),
    w("exit", ""),
    w("kill", ""),
    w("open", "FD FILE MODE"),
    w("close", "FD"),
    w("unlink", "FILE"),
    w("pread", "FD PAGE N"),
    w("pwrite", "FD PAGE N"),
    w("fsync", "FD"),
    w("ftruncate", "FD PAGES"),
    w("punch", "FD PAGE N"),
    w("zerorange", "FD PAGE N"),
    w("mmap", "M FD OFFSET N PROT shared|private [odd]"),
    w("munmap", "M [PAGE N]"),
    w("r", "M PAGE [N]"),
    w("w", "M PAGE [N]"),
    w("load", "M PAGE"),
    w("store", "M PAGE VALUE"),
    w("msync", "M"),
    w("madvise", "M ADVICE PAGE"),
    w("pipe", "P"),
    w("vmsplice", "P M PAGE N"),
    w("tee", "P1 P2 N"),
    w("drain", "P N"),
    w("pvmread", "W M PAGE N"),
    w("uring_reg", "M PAGE N"),
    w("uring_unreg", ""),
    w("dio_write", "FD M PAGE N [TICKS]"),
    w("dio_read", "FD M PAGE N [TICKS]"),
    w("pin", "M PAGE [N] [longterm] [r|w]"),
    w("get", "M PAGE [N]"),
    w("unpin", "[PIN]"),
    w("dma_write", "[PIN|-] [VALUE]"),
    w("dma_read", "[PIN]"),
    w("dev_alloc", "PAGE N"),
    w("dev_get", "PAGE"),
    w("dev_put", "PAGE"),
    w("umount", "[PATH]"),
    w("mount", "[PATH]"),
    w("unbind", ""),
    w("bind", ""),
];

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
    let syntax = SYNTAX.iter().find(|s| s.name == name.text).ok_or_else(|| {
        let like = hint(name.text, SYNTAX.iter().map(|s| s.name));
        name.complain(format!("no operation is called \"{}\"{like}", name.text))
    })?;
    match (syntax.by, who) {
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
    let mut words = Words::new(name, syntax.args, args);
    let op = arguments(name, &mut words, program)?;
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
            return mount_point(path, program).map(|fs| Some(Op::Mount { fs }));
        }
        ("sysfs", ["/sys/bus/nd/drivers/nd_pmem/unbind", _]) => return Ok(Some(Op::Unbind)),
        ("sysfs", ["/sys/bus/nd/drivers/nd_pmem/bind", _]) => return Ok(Some(Op::Bind)),
        ("open", [_, SLOW_BLOCK, _]) => return Ok(None),
        // A file that was not declared is a mistake of the program's.
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

/// The recorder's slow block device.
pub(crate) const SLOW_BLOCK: &str = "/dev/nullb0";

fn arguments(name: Word<'_>, a: &mut Words<'_>, program: &mut Program) -> Result<Op, Complaint> {
    Ok(match name.text {
        "baseline" => Op::Baseline,
        "end" => Op::End,
        "sleep" => Op::Sleep,
        "start" => Op::Start,
        "retrack" => Op::Retrack,
        "wait" => Op::Wait { worker: a.optional().map(words::worker).transpose()? },
        "nop" => Op::Nop,
        "spawn" => Op::Spawn,
        "fork" => Op::Fork { child: words::worker(a.take("W")?)? },
        "exit" => Op::Exit,
        "kill" => Op::Kill,
        "open" => {
            let fd = a.fd("FD")?;
            let word = a.take("FILE")?;
            let target = match word.text {
                SLOW_BLOCK => Target::SlowBlock,
                _ => Target::File(file(word, program)?),
            };
            Op::Open { fd, target, mode: a.one_of("MODE", OpenMode::ALL, OpenMode::word)? }
        }
        "close" => Op::Close { fd: a.fd("FD")? },
        "unlink" => Op::Unlink { file: file(a.take("FILE")?, program)? },
        "pread" | "pwrite" | "punch" | "zerorange" => {
            let file = file_ref(a, program)?;
            let (page, pages) = a.range()?;
            match name.text {
                "pread" => Op::Pread { file, page, pages },
                "pwrite" => Op::Pwrite { file, page, pages },
                "punch" => Op::Punch { file, page, pages },
                _ => Op::Zerorange { file, page, pages },
            }
        }
        "fsync" => Op::Fsync { file: file_ref(a, program)? },
        "ftruncate" => {
            let file = file_ref(a, program)?;
            Op::Ftruncate { file, pages: a.number("PAGES", 0, PAGE_MAX)? }
        }
        "umount" => Op::Umount { fs: mount_point(a.optional(), program)? },
        "mount" => Op::Mount { fs: mount_point(a.optional(), program)? },
        "unbind" => Op::Unbind,
        "bind" => Op::Bind,
        "mmap" => {
            let map = a.map()?;
            let file = file_ref(a, program)?;
            let offset = a.number("OFFSET", 0, PAGE_MAX - 1)?;
            let pages = a.number("N", 1, PAGE_MAX - offset)?;
            let prot = a.one_of("PROT", Prot::ALL, Prot::word)?;
            let sharing = a.one_of("shared|private", Sharing::ALL, Sharing::word)?;
            let align = if a.keyword("odd") { Align::Odd } else { Align::Natural };
            Op::Mmap { map, file, offset, pages, prot, sharing, align }
        }
        _ => memory(name, a)?,
    })
}

/// Operations on mappings, references and driver memory: nothing in them names a file.
fn memory(name: Word<'_>, a: &mut Words<'_>) -> Result<Op, Complaint> {
    Ok(match name.text {
        "munmap" => {
            let map = a.map()?;
            let range = match a.peek() {
                None => None,
                Some(_) => a.range().map(|(page, pages)| Some(PageRange { page, pages }))?,
            };
            Op::Munmap { map, range }
        }
        "r" | "w" => {
            let access = if name.text == "r" { Access::Read } else { Access::Write };
            let map = a.map()?;
            let (page, pages) = a.range_or_one()?;
            Op::Touch { map, access, page, pages }
        }
        "load" => Op::Load { map: a.map()?, page: a.number("PAGE", 0, PAGE_MAX - 1)? },
        "store" => {
            let (map, page) = (a.map()?, a.number("PAGE", 0, PAGE_MAX - 1)?);
            if a.peek().is_none() {
                a.take("VALUE")?;
            }
            Op::Store { map, page, value: a.value()?.unwrap_or_default() }
        }
        "msync" => Op::Msync { map: a.map()? },
        "madvise" => {
            let map = a.map()?;
            let advice = if a.keyword("dontneed") {
                Advice::DontNeed
            } else if a.keyword("soft_offline") {
                Advice::SoftOffline
            } else {
                a.one_of("ADVICE", Advice::ALL, Advice::word)?
            };
            Op::Madvise { map, advice, page: a.number("PAGE", 0, PAGE_MAX - 1)? }
        }
        "pipe" => Op::Pipe { pipe: a.pipe("P")? },
        "vmsplice" => {
            let (pipe, map) = (a.pipe("P")?, a.map()?);
            let (page, pages) = a.range()?;
            Op::Vmsplice { pipe, map, page, pages }
        }
        "tee" => {
            let (from, to) = (a.pipe("P1")?, a.pipe("P2")?);
            Op::Tee { from, to, pages: a.number("N", 1, PAGE_MAX)? }
        }
        "drain" => Op::Drain { pipe: a.pipe("P")?, pages: a.number("N", 1, PAGE_MAX)? },
        "pvmread" => {
            let target = words::worker(a.take("W")?)?;
            let map = a.map()?;
            let (page, pages) = a.range()?;
            Op::Pvmread { target, map, page, pages }
        }
        "uring_reg" => {
            let map = a.map()?;
            let (page, pages) = a.range()?;
            Op::UringReg { map, page, pages }
        }
        "uring_unreg" => Op::UringUnreg,
        "dio_write" | "dio_read" => {
            let (device, map) = (a.fd("FD")?, a.map()?);
            let (page, pages) = a.range()?;
            let ticks = a.optional_number("TICKS", 0, u32::MAX)?;
            match name.text {
                "dio_write" => Op::DioWrite { device, map, page, pages, ticks },
                _ => Op::DioRead { device, map, page, pages, ticks },
            }
        }
        "pin" => {
            let map = a.map()?;
            let (page, pages) = a.range_or_one()?;
            let longterm = if a.keyword("longterm") { Longterm::Long } else { Longterm::Short };
            let access = match a.peek() {
                None => Access::Read,
                Some(_) => a.one_of("access", Access::ALL, Access::word)?,
            };
            Op::Pin { map, page, pages, longterm, access }
        }
        "get" => {
            let map = a.map()?;
            let (page, pages) = a.range_or_one()?;
            Op::Get { map, page, pages }
        }
        "unpin" => Op::Unpin { pin: a.pin()? },
        "dma_write" => Op::DmaWrite { pin: a.pin()?, value: a.value()?.unwrap_or(1) },
        "dma_read" => Op::DmaRead { pin: a.pin()? },
        "dev_alloc" => {
            let (start, pages) = a.range()?;
            Op::DevAlloc { start, pages }
        }
        "dev_get" => Op::DevGet { page: a.number("PAGE", 0, PAGE_MAX - 1)? },
        "dev_put" => Op::DevPut { page: a.number("PAGE", 0, PAGE_MAX - 1)? },
        other => return Err(name.complain(format!("{other} has no reading"))),
    })
}

fn file(word: Word<'_>, program: &Program) -> Result<FileIdx, Complaint> {
    program.file(word.text).ok_or_else(|| {
        let like = hint(word.text, program.files.iter().map(|f| f.name.as_str()));
        word.complain(format!("no file is called \"{}\"{like}: declare it with file", word.text))
    })
}

fn file_ref(a: &mut Words<'_>, program: &Program) -> Result<FileRef, Complaint> {
    match a.peek() {
        Some(word) if !word.is_number() => {
            a.skip();
            file(word, program).map(FileRef::File)
        }
        _ => a.fd("FD").map(FileRef::Fd),
    }
}

fn mount_point(word: Option<Word<'_>>, program: &mut Program) -> Result<FsIdx, Complaint> {
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
