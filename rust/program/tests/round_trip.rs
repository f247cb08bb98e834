//! What a program prints, it reads back: over thousands of generated programs, and over noise.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use pgmap_prim::SplitMix64;
use pgmap_program::driver::{Does, Function, PrimitiveInfo, Takes};
use pgmap_program::expect::{Comparison, Wanted};
use pgmap_program::op::*;
use pgmap_program::{Condition, Demand, Died, DriverSpec, Errno, Expectation, FileSpec, Program};

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

    /// Two drivers of primitives as the table describes them; what no driver can be is drawn again.
    fn drivers(&mut self) -> Vec<DriverSpec> {
        let name = |place| if place == 0 { "d" } else { "mine" };
        (0..2)
            .map(|place| {
                loop {
                    let mut text = format!("driver {} {}", name(place), 1 + self.below(64));
                    for function in Function::ALL {
                        text.push_str(&format!(" {}", function.word()));
                        for _ in 0..self.below(8) {
                            let PrimitiveInfo { word, takes, .. } = self.pick(Does::ALL).info();
                            let of = |draw: &mut Self| draw.pick(&["free", "a.b", "_"]);
                            text.push_str(&match takes {
                                Takes::Nothing => format!(" {word}"),
                                Takes::Lock | Takes::Cell => format!(" {word}({})", of(self)),
                                Takes::CellAndValue => {
                                    format!(" {word}({},{})", of(self), self.below(3))
                                }
                                Takes::Value => format!(" {word}({})", self.below(3)),
                            });
                        }
                    }
                    if let Ok(mut read) = Program::parse(&text) {
                        break read.drivers.remove(0);
                    }
                }
            })
            .collect()
    }

    /// An operation with arguments as the table describes them. What makes something is drawn more often than
    /// what needs it, or nothing would be there.
    fn step(&mut self, by: By, files: &[FileSpec]) -> String {
        let rows: Vec<&Operation> = OPERATIONS.iter().filter(|it| it.by == by).collect();
        let makes = |it: &&&Operation| {
            it.returns == Returns::Pinned
                || it.arguments.iter().any(|arg| arg.kind.role() == Some(Role::Makes))
        };
        let makers: Vec<&Operation> = rows.iter().filter(makes).copied().collect();
        let it = if !makers.is_empty() && self.chance(3) {
            self.pick(&makers)
        } else {
            self.pick(&rows)
        };
        // Whoever has left does nothing more.
        let leaves = ["exit", "kill", "end"].contains(&it.said[0].word);
        if leaves && !self.chance(5) {
            return self.step(by, files);
        }
        let mut text = self.pick(it.said).word.to_owned();
        for argument in it.arguments {
            if argument.is_optional() && self.chance(2) {
                // Behind what is left out only words for it can stand.
                match argument.kind {
                    Kind::Words(_) | Kind::Pages => continue,
                    _ => break,
                }
            }
            if let Some(word) = self.argument(argument, files) {
                text.push(' ');
                text.push_str(&word);
            }
        }
        text
    }

    fn argument(&mut self, argument: &Argument, files: &[FileSpec]) -> Option<String> {
        let name = |draw: &mut Self| files[draw.below(files.len() as u64) as usize].name.clone();
        Some(match argument.kind {
            Kind::Worker => format!("w{}", self.below(3)),
            Kind::Handle(..) => self.small().to_string(),
            Kind::Pin(_) if self.chance(4) => "-".to_owned(),
            Kind::Pin(_) => self.below(3).to_string(),
            Kind::File if self.chance(2) => self.small().to_string(),
            Kind::Openable if self.chance(3) => "/dev/nullb0".to_owned(),
            Kind::File | Kind::Name | Kind::Openable => name(self),
            Kind::Page | Kind::Size => self.page().to_string(),
            Kind::Pages => self.pages().to_string(),
            Kind::Part => format!("{} {}", self.page(), self.pages()),
            Kind::Value if self.chance(3) => "1".to_owned(),
            Kind::Value => (self.0.next_u64() >> self.below(64)).to_string(),
            Kind::FdNumber => self.below(FD_NUMBERS.into()).to_string(),
            Kind::Reference => self.below(REFS.into()).to_string(),
            Kind::Ticks => self.below(1 << 32).to_string(),
            Kind::Driver => self.pick(&["d", "mine"]).to_owned(),
            Kind::MountPoint => "/mnt/dax".to_owned(),
            // The first goes without saying, and has no word for it where a keyword stands.
            Kind::Words(words) if argument.usage.contains(words[0]) || !argument.is_optional() => {
                self.pick(words).to_owned()
            }
            Kind::Words(words) => self.pick(&words[1..]).to_owned(),
            Kind::Spoken(_) => return None,
        })
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
        "threads begin before",
        "slow block device",
        "nothing follows end",
        "has done nothing yet",
    ]
    .iter()
    .any(|reason| what.contains(reason))
}

/// Operations that nothing can follow before they are done.
const AT_ONCE: &[&str] = &["nop", "spawn", "fork", "thread", "exit", "kill"];

/// The reading of what a program prints.
fn read_back(p: &Program) -> Result<Program, pgmap_program::ParseError> {
    Program::parse(&p.to_string())
}

#[test]
fn a_program_reads_back_as_it_prints() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut steps, mut expectations) = (0, 0);
    for seed in 0..4500 {
        let mut draw = Draw(SplitMix64::new(seed));
        let drivers = draw.drivers();
        let mut p = Program { files: draw.files(), drivers, ..Program::default() };
        for _ in 0..24 {
            let who = (!draw.chance(12)).then(|| draw.small());
            let by = if who.is_some() { By::Worker } else { By::Environment };
            let mut said = draw.step(by, &p.files);
            let word = said.split(' ').next().unwrap().to_owned();
            if who.is_some() && !AT_ONCE.contains(&word.as_str()) && draw.chance(4) {
                said.push_str(" &");
            }
            let who = who.map_or_else(String::new, |who| format!("w{who} "));
            match Program::parse(&format!("{p}{who}{said}\n")) {
                Ok(longer) => {
                    assert_eq!(longer.steps[..p.steps.len()], p.steps, "seed {seed}:\n{p}");
                    assert_eq!(read_back(&longer).unwrap(), longer, "seed {seed}:\n{longer}");
                    *seen.entry(word).or_default() += 1;
                    p = longer;
                }
                Err(e) => assert!(is_reference_to_nothing(&e.what), "seed {seed}: {e}"),
            }
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
    for Said { word, .. } in Operation::words() {
        let times = seen.get(word).copied().unwrap_or(0);
        assert!(times >= 3, "{word} was accepted only {times} times");
    }
}

#[test]
fn noise_is_refused_or_read_but_never_a_panic() {
    let words: Vec<&str> = Operation::words()
        .map(|said| said.word)
        .chain([
            "file",
            "f",
            "driver",
            "alloc",
            "pop",
            "page_free",
            "push",
            "lock(free)",
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
