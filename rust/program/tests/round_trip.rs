//! What a program prints, it reads back: over thousands of generated programs, and over noise.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use pgmap_prim::SplitMix64;
use pgmap_program::expect::{Comparison, Wanted};
use pgmap_program::op::*;
use pgmap_program::{
    Condition, Demand, Died, Errno, Expectation, FileSpec, Issue, Op, Program, Step,
};

struct Draw(SplitMix64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0.below_u64(n)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn small(&mut self) -> u8 {
        self.below(2) as u8
    }

    fn page(&mut self) -> u32 {
        if self.chance(10) {
            self.below(u64::from(PAGE_MAX / 2)) as u32
        } else {
            self.below(20) as u32
        }
    }

    fn pages(&mut self) -> u32 {
        1 + if self.chance(10) {
            self.below(u64::from(PAGE_MAX / 4)) as u32
        } else {
            self.below(3) as u32
        }
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn pin(&mut self) -> Option<PinNo> {
        (!self.chance(2)).then(|| PinNo(self.below(3) as u16))
    }

    fn file(&mut self, files: usize) -> FileIdx {
        FileIdx(self.below(files as u64) as u16)
    }

    fn file_ref(&mut self, files: usize) -> FileRef {
        if self.chance(2) {
            FileRef::File(self.file(files))
        } else {
            FileRef::Fd(FdNo(self.small()))
        }
    }

    fn files(&mut self) -> Vec<FileSpec> {
        (0..1 + self.below(3))
            .map(|n| FileSpec {
                name: format!("{}{n}", self.pick(&["f", "_x.", "Data-"])),
                pages: self.pages(),
                state: self.pick(FileState::ALL),
                layout: self.pick(Layout::ALL),
            })
            .collect()
    }

    fn environment(&mut self) -> Op {
        match self.below(12) {
            0 => Op::End,
            1..=3 => Op::Sleep,
            4 => Op::Retrack,
            5 => Op::Start,
            6..=7 => Op::Wait { worker: None },
            8..=9 => Op::Wait { worker: Some(WorkerId(self.small())) },
            _ => Op::Baseline,
        }
    }

    fn op(&mut self, files: usize) -> Op {
        let (map, pipe, fd) = (MapNo(self.small()), PipeNo(self.small()), FdNo(self.small()));
        let (page, pages) = (self.page(), self.pages());
        match self.below(58) {
            0 => Op::Nop,
            1 => Op::Spawn,
            2 => Op::Fork { child: WorkerId(self.below(3) as u8) },
            3 if self.chance(3) => Op::Exit,
            3 => Op::Kill,
            4..=6 => Op::Open {
                fd,
                target: if self.chance(3) {
                    Target::SlowBlock
                } else {
                    Target::File(self.file(files))
                },
                mode: self.pick(OpenMode::ALL),
            },
            7 => Op::Close { fd },
            8 => Op::Unlink { file: self.file(files) },
            9 => Op::Pread { file: self.file_ref(files), page, pages },
            10 => Op::Pwrite { file: self.file_ref(files), page, pages },
            11 => Op::Fsync { file: self.file_ref(files) },
            12 => Op::Ftruncate { file: self.file_ref(files), pages: page },
            13 => Op::Punch { file: self.file_ref(files), page, pages },
            14 => Op::Zerorange { file: self.file_ref(files), page, pages },
            15..=24 => Op::Mmap {
                map,
                file: self.file_ref(files),
                offset: page,
                pages,
                prot: self.pick(Prot::ALL),
                sharing: self.pick(Sharing::ALL),
                align: self.pick(Align::ALL),
            },
            25 => Op::Munmap { map, range: None },
            26 => Op::Munmap { map, range: Some(PageRange { page, pages }) },
            27..=28 => Op::Touch { map, access: self.pick(Access::ALL), page, pages },
            29 => Op::Load { map, page },
            30 => Op::Store { map, page, value: self.0.next_u64() },
            31 => Op::Msync { map },
            32 => Op::Madvise { map, advice: self.pick(Advice::ALL), page },
            33..=35 => Op::Pipe { pipe },
            36 => Op::Vmsplice { pipe, map, page, pages },
            37 => Op::Tee { from: pipe, to: PipeNo(self.small()), pages },
            38 => Op::Drain { pipe, pages },
            39 => Op::Pvmread { target: WorkerId(self.small()), map, page, pages },
            40 => Op::UringReg { map, page, pages },
            41 => Op::UringUnreg,
            42..=43 => {
                Op::DioWrite { device: fd, map, page, pages, ticks: self.chance(2).then_some(page) }
            }
            44 => {
                Op::DioRead { device: fd, map, page, pages, ticks: self.chance(2).then_some(page) }
            }
            45..=47 => Op::Pin {
                map,
                page,
                pages,
                longterm: self.pick(Longterm::ALL),
                access: self.pick(Access::ALL),
            },
            48 => Op::Get { map, page, pages },
            49 => Op::Unpin { pin: self.pin() },
            50 => {
                let value = self.0.next_u64() >> self.below(64);
                Op::DmaWrite { pin: self.pin(), value: if self.chance(2) { 1 } else { value } }
            }
            51 => Op::DmaRead { pin: self.pin() },
            52 => Op::DevAlloc { start: page, pages },
            53 => Op::DevGet { page },
            54 => Op::DevPut { page },
            55 => Op::Umount { fs: FsIdx(0) },
            56 => self.pick(&[&Op::Mount { fs: FsIdx(0) }, &Op::Unbind, &Op::Bind]).clone(),
            _ => Op::Unsupported { name: "mremap".to_owned(), args: vec![page.to_string()] },
        }
    }

    fn wanted(&mut self) -> Wanted {
        match self.below(5) {
            0 => Wanted::Ok,
            1 => Wanted::Waits,
            2 => Wanted::Value(if self.chance(2) { self.below(3) } else { self.0.next_u64() }),
            3 => Wanted::Errno(self.pick(Errno::ALL)),
            _ => Wanted::Died(self.pick(&Died::ALL)),
        }
    }

    /// Lists never hold a list of their own kind: that would print as one.
    fn condition(&mut self, steps: &[u32], depth: u64) -> Condition {
        let list = |draw: &mut Self, other: fn(&Condition) -> bool| {
            let mut members = Vec::new();
            while members.len() < 2 || draw.chance(2) {
                let one = draw.condition(steps, depth - 1);
                if other(&one) {
                    members.push(one);
                }
            }
            members
        };
        match self.below(4 + 3 * depth.min(2)) {
            0..=3 => Condition::Step {
                n: self.pick(steps),
                is: self.pick(&[Comparison::Is, Comparison::IsNot]),
                wanted: self.wanted(),
            },
            4 | 7 => Condition::Any(list(self, |one| !matches!(one, Condition::Any(_)))),
            5 | 8 => Condition::All(list(self, |one| !matches!(one, Condition::All(_)))),
            _ => Condition::Not(Box::new(self.condition(steps, depth - 1))),
        }
    }

    fn issue(&mut self, op: &Op) -> Issue {
        match op {
            Op::Nop | Op::Spawn | Op::Fork { .. } | Op::Exit | Op::Kill => Issue::Wait,
            _ if self.chance(4) => Issue::Async,
            _ => Issue::Wait,
        }
    }
}

/// A refused step must be a reference to nothing; anything else is a form that prints wrongly.
fn is_reference_to_nothing(what: &str) -> bool {
    [
        " has no fd ",
        " has no mapping ",
        " has no pipe ",
        "holds no pin",
        "pins so far",
        "gave pin",
        "already",
        " left on line ",
        "is not running",
        "slow block device",
        "nothing follows end",
        "has done nothing yet",
    ]
    .iter()
    .any(|reason| what.contains(reason))
}

/// The reading of `text`, with the line numbers the generator would have given.
fn read_back(p: &Program) -> Result<Program, pgmap_program::ParseError> {
    let mut read = Program::parse(&p.to_string())?;
    let first = u32::try_from(p.files.len()).unwrap() + 1;
    for step in &mut read.steps {
        assert_eq!(step.line, first + step.n);
        step.line = 0;
    }
    Ok(read)
}

#[test]
fn a_program_reads_back_as_it_prints() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut steps, mut expectations) = (0, 0);
    for seed in 0..2500 {
        let mut draw = Draw(SplitMix64::new(seed));
        let mut p = Program { files: draw.files(), ..Program::default() };
        for _ in 0..24 {
            let who = (!draw.chance(12)).then(|| WorkerId(draw.small()));
            let op = if who.is_some() { draw.op(p.files.len()) } else { draw.environment() };
            let issue = if who.is_some() { draw.issue(&op) } else { Issue::Wait };
            if matches!(op, Op::Umount { .. } | Op::Mount { .. }) && p.mounts.is_empty() {
                p.mounts.push("/mnt/dax".to_owned());
            }
            let n = u32::try_from(p.steps.len()).unwrap();
            p.steps.push(Step { n, who, op, issue, line: 0, label: None });
            match read_back(&p) {
                Ok(read) => {
                    assert_eq!(read.steps, p.steps, "seed {seed}:\n{p}");
                    let text = p.op_text(&p.steps[p.steps.len() - 1].op).to_string();
                    *seen.entry(text.split(' ').next().unwrap().to_owned()).or_default() += 1;
                }
                Err(e) => {
                    assert!(is_reference_to_nothing(&e.what), "seed {seed}: {e}");
                    p.steps.pop();
                }
            }
        }
        let used = p.steps.iter().any(|s| matches!(s.op, Op::Umount { .. } | Op::Mount { .. }));
        if !used {
            p.mounts.clear();
        }
        for at in 0..p.steps.len() {
            let step = &mut p.steps[at];
            if draw.chance(4) && !matches!(step.op, Op::Start | Op::End) {
                step.label = Some(format!("{}{at}", draw.pick(&["a", "_", "Pin"])));
            }
        }
        let after = p.halves().1.iter().filter(|step| !matches!(step.op, Op::Start | Op::End));
        let after: Vec<u32> = after.map(|step| step.n).collect();
        if !after.is_empty() {
            for _ in 0..draw.below(3) {
                let demand = draw.pick(&Demand::ALL);
                let condition = draw.condition(&after, 3);
                p.expectations.push(Expectation { demand, condition });
            }
        }
        expectations += p.expectations.len();
        assert_eq!(read_back(&p).unwrap(), p, "seed {seed}:\n{p}");
        let json = serde_json::to_value(&p).unwrap();
        assert_eq!(json["steps"].as_array().map(Vec::len), Some(p.steps.len()));
        steps += p.steps.len();
    }
    assert!(steps > 10_000, "only {steps} steps were accepted");
    assert!(expectations > 1000, "only {expectations} expectations");
    for syntax in pgmap_program::parse::SYNTAX {
        let times = seen.get(syntax.name).copied().unwrap_or(0);
        assert!(times >= 3, "{} was accepted only {times} times", syntax.name);
    }
}

#[test]
fn noise_is_refused_or_read_but_never_a_panic() {
    let words: Vec<&str> = pgmap_program::parse::SYNTAX
        .iter()
        .map(|s| s.name)
        .chain([
            "file",
            "f",
            "w0",
            "w1",
            "w",
            "w99",
            "0",
            "1",
            "-1",
            "4294967296",
            "rw",
            "shared",
            "odd",
            "|",
            "&",
            "#",
            "\n",
            "\n",
            "-",
            "0x",
            "/",
            "/dev/nullb0",
            "é",
            "\u{0}",
            "\t",
            "longterm",
            "\nexpect",
            "never",
            "a:",
            "w0.1",
            "a=ok",
            "not",
            "and",
            "(",
            ")",
            "!=",
            "EBUSY",
        ])
        .collect();
    for seed in 0..20_000 {
        let mut draw = Draw(SplitMix64::new(seed));
        let text: String = (0..draw.below(24)).map(|_| format!("{} ", draw.pick(&words))).collect();
        if let Err(e) = Program::parse(&text) {
            assert!(e.line >= 1 && e.column >= 1 && !e.what.is_empty(), "{text:?}: {e:?}");
        }
    }
}
