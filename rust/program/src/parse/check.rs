//! Follows workers and their handles from step to step, and refuses references to nothing.
//!
//! A handle has three lives: never made (an error here), made, and given up (left to the kernel:
//! EBADF, SIGSEGV, …). Making one that is made already would lose the first, so that is an error too.
//! The order followed is that of the text; each worker's own steps keep it in every engine, and a
//! child's steps come after the fork that makes it. Threads of one process have one set of handles.
//!
//! What a step uses, makes and ends is what its arguments say; here are the handles, and the operations that
//! start and end workers.

use std::collections::BTreeMap;

use crate::op::{
    FdNo, FileRef, Fork, MapNo, Op, PinNo, PipeNo, Role, Target, Thread, Use, WORKERS_MAX, Wait,
    WorkerId,
};

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
    Mirror,
}

impl FdKind {
    fn told(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::SlowBlock => "the slow block device",
            Self::Mirror => "the mirror device",
        }
    }
}

/// What the threads of a process have in common.
#[derive(Clone, Debug, Default)]
struct Process {
    /// Did something that this model lacks. Which handles it has then is not known.
    strayed: bool,
    fds: BTreeMap<u8, (Life, FdKind)>,
    maps: BTreeMap<u8, Life>,
    pipes: BTreeMap<u8, Life>,
}

#[derive(Debug)]
struct Worker {
    /// Line on which it left.
    left: Option<u32>,
    /// Place of its process.
    process: usize,
    pins: Vec<Life>,
}

/// Every worker seen so far.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    workers: BTreeMap<WorkerId, Worker>,
    processes: Vec<Process>,
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
            (None, Op::Wait(Wait { worker: Some(w) })) if !self.workers.contains_key(w) => {
                return Err(format!("{w} has done nothing yet: there is nothing to wait for"));
            }
            (None, _) => {}
            (Some(w), Op::Spawn) => return self.spawn(w),
            (Some(w), Op::Fork(Fork { child })) => return self.fork(w, *child),
            (Some(w), Op::Thread(Thread { child })) => return self.thread(w, *child),
            (Some(w), op) => {
                self.running(w)?;
                let uses = op.uses();
                self.theirs(&uses)?;
                let (worker, process) = self.running(w)?;
                return step(worker, process, w, op, &uses, line)
                    .or_else(|wrong| if process.strayed { Ok(()) } else { Err(wrong) });
            }
        }
        Ok(())
    }

    /// A pin that was not made has a number all the same.
    pub(crate) fn lose_pin(&mut self, w: WorkerId) {
        worker_of(&mut self.workers, &mut self.processes, w).pins.push(Life::GivenUp);
    }

    /// A worker begins in a process of its own.
    fn begin(&mut self, w: WorkerId, process: Process) {
        let at = self.processes.len();
        self.processes.push(process);
        self.workers.insert(w, Worker::of(at));
    }

    fn running(&mut self, w: WorkerId) -> Result<(&mut Worker, &mut Process), String> {
        let Self { workers, processes, .. } = self;
        let worker = worker_of(workers, processes, w);
        let process = &mut processes[worker.process];
        match worker.left {
            Some(line) => Err(format!("{w} left on line {line}")),
            None => Ok((worker, process)),
        }
    }

    /// Whether a worker of this number can begin.
    fn is_free(&self, w: WorkerId) -> Result<(), String> {
        match self.workers.get(&w) {
            Some(known) if known.left.is_none() => Err(format!("{w} is running already")),
            _ => Ok(()),
        }
    }

    /// What a step names of another worker's, which must be running.
    fn theirs(&self, uses: &[Use]) -> Result<(), String> {
        let other = uses.iter().find_map(|used| match used {
            Use::Worker(other) => Some(*other),
            _ => None,
        });
        let Some(other) = other else { return Ok(()) };
        let owner = self.workers.get(&other).filter(|owner| owner.left.is_none());
        let owner = owner.ok_or_else(|| format!("{other} is not running"))?;
        let owner = &self.processes[owner.process];
        uses.iter().filter(|_| !owner.strayed).try_for_each(|used| match used {
            Use::Map(map, Role::Theirs) => owner.map(other, map.0),
            Use::Pipe(pipe, Role::Theirs) => owner.pipe(other, pipe.0),
            Use::Fd(fd, Role::Theirs) => owner.fd(other, *fd).map(drop),
            _ => Ok(()),
        })
    }

    fn spawn(&mut self, w: WorkerId) -> Result<(), String> {
        self.is_free(w)?;
        self.begin(w, Process::default());
        Ok(())
    }

    /// The child inherits descriptors, mappings and pipes. Pins stay with their worker.
    fn fork(&mut self, parent: WorkerId, child: WorkerId) -> Result<(), String> {
        let (_, from) = self.parent(parent, child)?;
        let inherited = from.clone();
        self.begin(child, inherited);
        Ok(())
    }

    /// A thread has what its process has, then and later.
    fn thread(&mut self, of: WorkerId, child: WorkerId) -> Result<(), String> {
        if let Some(start) = self.started {
            return Err(format!("the workers were started on line {start}: threads begin before"));
        }
        let process = self.parent(of, child)?.0.process;
        self.workers.insert(child, Worker::of(process));
        Ok(())
    }

    /// Who starts another worker.
    fn parent(
        &mut self,
        parent: WorkerId,
        child: WorkerId,
    ) -> Result<(&mut Worker, &mut Process), String> {
        debug_assert!(child.0 < WORKERS_MAX, "the words were checked");
        if parent == child {
            return Err(format!("{child} is running already"));
        }
        self.is_free(child)?;
        self.running(parent)
    }
}

/// A worker; one that no step has started begins here.
fn worker_of<'a>(
    workers: &'a mut BTreeMap<WorkerId, Worker>,
    processes: &mut Vec<Process>,
    w: WorkerId,
) -> &'a mut Worker {
    let next = processes.len();
    let worker = workers.entry(w).or_insert_with(|| Worker::of(next));
    if worker.process == next {
        processes.push(Process::default());
    }
    worker
}

/// Looks whether what a step names is there, then makes and ends what it does.
fn step(
    worker: &mut Worker,
    process: &mut Process,
    w: WorkerId,
    op: &Op,
    uses: &[Use],
    line: u32,
) -> Result<(), String> {
    uses.iter().try_for_each(|used| match *used {
        Use::Pin(pin, Role::Uses | Role::Ends) => worker.pin(w, pin).map(drop),
        used => process.look_up(w, used),
    })?;
    let (mut opened, mut file_is_closed, mut part) = (FdKind::File, false, false);
    for used in uses {
        match used {
            Use::Target(Target::SlowBlock) => opened = FdKind::SlowBlock,
            Use::Target(Target::Mirror) => opened = FdKind::Mirror,
            Use::File(file) => file_is_closed = process.is_closed(*file),
            Use::Part => part = true,
            _ => {}
        }
    }
    for used in uses {
        match *used {
            Use::Fd(fd, Role::Makes) => process.open(w, fd, opened)?,
            Use::Map(map, Role::Makes) => process.map_new(w, map, file_is_closed)?,
            Use::Pipe(pipe, Role::Makes) => process.pipe_new(w, pipe)?,
            // Of what only a part goes the rest stays.
            _ if part => {}
            Use::Fd(fd, Role::Ends) => {
                process.fds.entry(fd.0).and_modify(|(life, _)| *life = Life::GivenUp);
            }
            Use::Map(map, Role::Ends) => {
                process.maps.insert(map.0, Life::GivenUp);
            }
            Use::Pipe(pipe, Role::Ends) => {
                process.pipes.insert(pipe.0, Life::GivenUp);
            }
            Use::Pin(pin, Role::Ends) => {
                let at = worker.pin(w, pin)?;
                worker.pins[at] = Life::GivenUp;
            }
            _ => {}
        }
    }
    if op.takes_pin() {
        if worker.pins.len() > usize::from(u16::MAX) {
            return Err(format!("{w} has no numbers left for another pin"));
        }
        worker.pins.push(Life::Made);
    }
    match op {
        Op::Exit | Op::Kill => worker.left = Some(line),
        Op::Unsupported { .. } => process.strayed = true,
        _ => {}
    }
    Ok(())
}

impl Process {
    /// Whether what an argument names is there.
    fn look_up(&self, w: WorkerId, used: Use) -> Result<(), String> {
        match used {
            Use::Fd(fd, Role::Uses | Role::Ends) => self.fd(w, fd).map(drop),
            Use::Fd(fd, Role::Device) => match self.fd(w, fd)? {
                FdKind::SlowBlock => Ok(()),
                kind @ (FdKind::File | FdKind::Mirror) => Err(format!(
                    "fd {fd} of {w} is {}: direct I/O goes to the slow block device, /dev/nullb0",
                    kind.told()
                )),
            },
            Use::Map(map, Role::Uses | Role::Ends) => self.map(w, map.0),
            Use::Pipe(pipe, Role::Uses | Role::Ends) => self.pipe(w, pipe.0),
            Use::File(file) => self.on_file(w, file),
            Use::Fd(..) | Use::Map(..) | Use::Pipe(..) | Use::Pin(..) => Ok(()),
            Use::Nothing | Use::Worker(_) | Use::Target(_) | Use::Part => Ok(()),
        }
    }

    fn open(&mut self, w: WorkerId, fd: FdNo, kind: FdKind) -> Result<(), String> {
        match self.fds.insert(fd.0, (Life::Made, kind)) {
            Some((Life::Made, _)) => Err(format!("{w} has fd {fd} open already: close it first")),
            _ => Ok(()),
        }
    }

    /// Through a closed descriptor nothing will be mapped, but a kernel can be asked.
    fn map_new(&mut self, w: WorkerId, map: MapNo, file_is_closed: bool) -> Result<(), String> {
        let life = if file_is_closed { Life::GivenUp } else { Life::Made };
        if self.maps.get(&map.0) == Some(&Life::Made) {
            return Err(format!("{w} has mapping {map} already: munmap it first"));
        }
        self.maps.insert(map.0, life);
        Ok(())
    }

    fn pipe_new(&mut self, w: WorkerId, pipe: PipeNo) -> Result<(), String> {
        match self.pipes.insert(pipe.0, Life::Made) {
            Some(_) => Err(format!("{w} has pipe {pipe} already")),
            None => Ok(()),
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
            FileRef::Fd(fd) => match self.fd(w, fd)? {
                FdKind::File => Ok(()),
                kind @ (FdKind::SlowBlock | FdKind::Mirror) => {
                    Err(format!("fd {fd} of {w} is {}, where a file is needed", kind.told()))
                }
            },
        }
    }

    fn map(&self, w: WorkerId, map: u8) -> Result<(), String> {
        known(&self.maps, map, w, "mapping", "mmap")
    }

    fn pipe(&self, w: WorkerId, pipe: u8) -> Result<(), String> {
        known(&self.pipes, pipe, w, "pipe", "pipe")
    }
}

impl Worker {
    /// One that begins in the process at this place.
    fn of(process: usize) -> Self {
        Self { left: None, process, pins: Vec::new() }
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
