//! Follows workers and their handles from step to step, and refuses references to nothing.
//!
//! A handle has three lives: never made (an error here), made, and given up (left to the kernel:
//! EBADF, SIGSEGV, …). Making one that is made already would lose the first, so that is an error too.
//! The order followed is that of the text; each worker's own steps keep it in every engine, and a
//! child's steps come after the fork that makes it.

use std::collections::BTreeMap;

use crate::op::{FdNo, FileRef, Op, PinNo, Target, WORKERS_MAX, WorkerId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Made,
    GivenUp,
}

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FdKind {
    File,
    SlowBlock,
}

#[derive(Debug, Default)]
struct Worker {
    /// Line on which it left.
    left: Option<u32>,
    /// Did something that this model lacks. Which handles it has then is not known.
    strayed: bool,
    fds: BTreeMap<u8, (Life, FdKind)>,
    maps: BTreeMap<u8, Life>,
    pipes: BTreeMap<u8, Life>,
    pins: Vec<Life>,
}

/// Every worker seen so far.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    workers: BTreeMap<WorkerId, Worker>,
    ended: Option<u32>,
    started: Option<u32>,
}

impl Handles {
    /// Takes one step; the error says what in it refers to nothing.
    pub(crate) fn step(&mut self, who: Option<WorkerId>, op: &Op, line: u32) -> Result<(), String> {
        if let Some(end) = self.ended {
            return Err(format!("every worker was killed on line {end}: nothing follows end"));
        }
        match (who, op) {
            (None, Op::End) => self.ended = Some(line),
            (None, Op::Start) => {
                if let Some(first) = self.started.replace(line) {
                    return Err(format!("the workers were started on line {first} already"));
                }
            }
            (None, Op::Wait { worker: Some(w) }) if !self.workers.contains_key(w) => {
                return Err(format!("{w} has done nothing yet: there is nothing to wait for"));
            }
            (None, _) => {}
            (Some(w), Op::Spawn) => return self.spawn(w),
            (Some(w), Op::Fork { child }) => return self.fork(w, *child),
            (Some(w), Op::Pvmread { target, map, .. }) => {
                self.running(w)?;
                let owner = self.workers.get(target).filter(|t| t.left.is_none());
                let owner = owner.ok_or_else(|| format!("{target} is not running"))?;
                if !owner.strayed {
                    known(&owner.maps, map.0, *target, "mapping", "mmap")?;
                }
            }
            (Some(w), op) => {
                let worker = self.running(w)?;
                return worker
                    .step(w, op, line)
                    .or_else(|wrong| if worker.strayed { Ok(()) } else { Err(wrong) });
            }
        }
        Ok(())
    }

    /// A pin that was not made has a number all the same.
    pub(crate) fn lose_pin(&mut self, w: WorkerId) {
        self.workers.entry(w).or_default().pins.push(Life::GivenUp);
    }

    fn running(&mut self, w: WorkerId) -> Result<&mut Worker, String> {
        let worker = self.workers.entry(w).or_default();
        match worker.left {
            Some(line) => Err(format!("{w} left on line {line}")),
            None => Ok(worker),
        }
    }

    fn spawn(&mut self, w: WorkerId) -> Result<(), String> {
        match self.workers.get(&w) {
            Some(known) if known.left.is_none() => Err(format!("{w} is running already")),
            _ => {
                self.workers.insert(w, Worker::default());
                Ok(())
            }
        }
    }

    /// The child inherits descriptors, mappings and pipes. Pins stay with their worker.
    fn fork(&mut self, parent: WorkerId, child: WorkerId) -> Result<(), String> {
        debug_assert!(child.0 < WORKERS_MAX, "the words were checked");
        if parent == child || self.workers.get(&child).is_some_and(|c| c.left.is_none()) {
            return Err(format!("{child} is running already"));
        }
        let from = self.running(parent)?;
        let inherited = Worker {
            left: None,
            strayed: from.strayed,
            fds: from.fds.clone(),
            maps: from.maps.clone(),
            pipes: from.pipes.clone(),
            pins: Vec::new(),
        };
        self.workers.insert(child, inherited);
        Ok(())
    }
}

impl Worker {
    fn step(&mut self, w: WorkerId, op: &Op, line: u32) -> Result<(), String> {
        match op {
            Op::Exit | Op::Kill => self.left = Some(line),
            Op::Open { fd, target, .. } => {
                let kind = match target {
                    Target::File(_) => FdKind::File,
                    Target::SlowBlock => FdKind::SlowBlock,
                };
                self.open(w, *fd, kind)?;
            }
            Op::Close { fd } => {
                self.fd(w, *fd)?;
                self.fds.entry(fd.0).and_modify(|(life, _)| *life = Life::GivenUp);
            }
            Op::Pread { file, .. }
            | Op::Pwrite { file, .. }
            | Op::Fsync { file }
            | Op::Ftruncate { file, .. }
            | Op::Punch { file, .. }
            | Op::Zerorange { file, .. } => self.on_file(w, *file)?,
            Op::Mmap { map, file, .. } => {
                self.on_file(w, *file)?;
                if self.maps.get(&map.0) == Some(&Life::Made) {
                    return Err(format!("{w} has mapping {map} already: munmap it first"));
                }
                // Through a closed descriptor nothing will be mapped, but a kernel can be asked.
                self.maps
                    .insert(map.0, if self.is_closed(*file) { Life::GivenUp } else { Life::Made });
            }
            Op::Munmap { map, range } => {
                self.map(w, map.0)?;
                if range.is_none() {
                    self.maps.insert(map.0, Life::GivenUp);
                }
            }
            Op::Touch { map, .. }
            | Op::Load { map, .. }
            | Op::Store { map, .. }
            | Op::Msync { map }
            | Op::Madvise { map, .. }
            | Op::UringReg { map, .. } => self.map(w, map.0)?,
            Op::Pipe { pipe } => {
                if self.pipes.insert(pipe.0, Life::Made).is_some() {
                    return Err(format!("{w} has pipe {pipe} already"));
                }
            }
            Op::Vmsplice { pipe, map, .. } => {
                self.pipe(w, pipe.0)?;
                self.map(w, map.0)?;
            }
            Op::Tee { from, to, .. } => {
                self.pipe(w, from.0)?;
                self.pipe(w, to.0)?;
            }
            Op::DioWrite { device, map, .. } | Op::DioRead { device, map, .. } => {
                if self.fd(w, *device)? == FdKind::File {
                    return Err(format!(
                        "fd {device} of {w} is a file: direct I/O goes to the slow block device, /dev/nullb0"
                    ));
                }
                self.map(w, map.0)?;
            }
            Op::Pin { map, .. } | Op::Get { map, .. } => {
                self.map(w, map.0)?;
                if self.pins.len() > usize::from(u16::MAX) {
                    return Err(format!("{w} has no numbers left for another pin"));
                }
                self.pins.push(Life::Made);
            }
            Op::Unpin { pin } => {
                let at = self.pin(w, *pin)?;
                self.pins[at] = Life::GivenUp;
            }
            Op::DmaWrite { pin, .. } | Op::DmaRead { pin } => {
                self.pin(w, *pin)?;
            }
            Op::Unsupported { .. } => self.strayed = true,
            // A drain takes what is there, and from a pipe never made that is nothing (recorded).
            Op::Drain { .. } => {}
            // Nothing in these refers to a handle; the environment's own never come here.
            Op::Nop | Op::Spawn | Op::Fork { .. } | Op::Unlink { .. } | Op::Pvmread { .. } => {}
            Op::UringUnreg | Op::Umount { .. } | Op::Mount { .. } | Op::Unbind | Op::Bind => {}
            Op::DevAlloc { .. } | Op::DevGet { .. } | Op::DevPut { .. } => {}
            Op::Baseline | Op::End | Op::Start | Op::Sleep | Op::Retrack | Op::Wait { .. } => {}
        }
        Ok(())
    }

    /// Handles made by operations outside the model, so that what follows reads on.
    fn open(&mut self, w: WorkerId, fd: FdNo, kind: FdKind) -> Result<(), String> {
        match self.fds.insert(fd.0, (Life::Made, kind)) {
            Some((Life::Made, _)) => Err(format!("{w} has fd {fd} open already: close it first")),
            _ => Ok(()),
        }
    }

    fn fd(&self, w: WorkerId, fd: FdNo) -> Result<FdKind, String> {
        self.fds.get(&fd.0).map(|(_, kind)| *kind).ok_or_else(|| never(w, fd.0, "fd", "open"))
    }

    fn is_closed(&self, file: FileRef) -> bool {
        match file {
            FileRef::File(_) => false,
            FileRef::Fd(fd) => self.fds.get(&fd.0).is_some_and(|(life, _)| *life == Life::GivenUp),
        }
    }

    fn on_file(&self, w: WorkerId, file: FileRef) -> Result<(), String> {
        match file {
            FileRef::File(_) => Ok(()),
            FileRef::Fd(fd) if self.fd(w, fd)? == FdKind::SlowBlock => {
                Err(format!("fd {fd} of {w} is the slow block device, where a file is needed"))
            }
            FileRef::Fd(_) => Ok(()),
        }
    }

    fn map(&self, w: WorkerId, map: u8) -> Result<(), String> {
        known(&self.maps, map, w, "mapping", "mmap")
    }

    fn pipe(&self, w: WorkerId, pipe: u8) -> Result<(), String> {
        known(&self.pipes, pipe, w, "pipe", "pipe")
    }

    /// The pin meant: the one named, or the most recent one that is still held.
    fn pin(&self, w: WorkerId, pin: Option<PinNo>) -> Result<usize, String> {
        match pin {
            None => self
                .pins
                .iter()
                .rposition(|life| *life == Life::Made)
                .ok_or_else(|| format!("{w} holds no pin here")),
            Some(pin) => match self.pins.get(pin.index()) {
                Some(Life::Made) => Ok(pin.index()),
                Some(Life::GivenUp) => Err(format!("{w} gave pin {pin} back already")),
                None => Err(format!(
                    "{w} has made {} pins so far, none is number {pin}",
                    self.pins.len()
                )),
            },
        }
    }
}

fn known(
    handles: &BTreeMap<u8, Life>,
    number: u8,
    w: WorkerId,
    what: &str,
    maker: &str,
) -> Result<(), String> {
    if handles.contains_key(&number) { Ok(()) } else { Err(never(w, number, what, maker)) }
}

fn never(w: WorkerId, number: u8, what: &str, maker: &str) -> String {
    format!("{w} has no {what} {number}: no {maker} before this step makes it")
}
