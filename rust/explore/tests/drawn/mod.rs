//! Programs drawn at random, and rules for them.

use std::fmt::Write as _;

use pgmap_explore::Scenario;
use pgmap_prim::SplitMix64;
use pgmap_program::Program;
use pgmap_program::rules::RULES;

const SET_UP: &[&str] = &[
    "mmap 0 f 0 2 rw shared",
    "mmap 0 f 0 2 rw shared odd",
    "mmap 0 h 0 4 rw shared",
    "w 0 0",
    "w 0 0 2",
    "pin 0 0",
    "get 0 1",
    "pipe 0",
    "vmsplice 0 0 0 1",
    "dev_alloc 0 1",
    "open 0 f rw",
    "pin 0 0 2",
];
pub(crate) const CALLS: &[&str] = &[
    "w 0 0",
    "r 0 0",
    "w 0 1",
    "w 0 0 2",
    "pin 0 0",
    "pin 0 0 2",
    "get 0 0",
    "unpin",
    "unpin",
    "dma_write",
    "dma_read",
    "munmap 0",
    "ftruncate f 0",
    "ftruncate f 1",
    "ftruncate f 2",
    "ftruncate h 0",
    "ftruncate h 4",
    "punch f 0 1",
    "punch h 1 1",
    "zerorange f 0 1",
    "pwrite f 0 1",
    "pwrite h 0 2",
    "pread f 0 1",
    "unlink f",
    "unlink h",
    "exit",
    "pipe 0",
    "vmsplice 0 0 0 1",
    "drain 0 1",
    "tee 0 0 1",
    "dev_alloc 0 1",
    "dev_alloc 0 2",
    "dev_get 0",
    "dev_put 0",
    "madvise 0 dontneed 0",
    "close 0",
    "unbind",
    "mmap 0 f 0 2 rw shared",
    "pvmread w0 0 0 1",
    "fork 3",
];

/// A program that parses, from the lines that do; each worker calls at most so often.
pub(crate) fn draw(random: &mut SplitMix64, most: u32) -> String {
    let workers = 2 + random.below(2);
    let mut text = String::from("file f 2\nfile h 4 huge\n");
    if random.below(2) == 0 {
        text.push_str("file g 8\n");
    }
    let mut add = |line: String| {
        let longer = format!("{text}{line}\n");
        if Program::parse(&longer).is_ok() {
            text = longer;
        }
    };
    for _ in 0..random.below(7) {
        let call = SET_UP[random.below(SET_UP.len() as u32) as usize];
        add(format!("w{} {call}", random.below(workers)));
    }
    add("start".to_owned());
    for worker in 0..workers {
        for _ in 0..1 + random.below(most) {
            let mut line = String::new();
            let call = CALLS[random.below(CALLS.len() as u32) as usize];
            let _ = write!(line, "w{worker} {call}");
            add(line);
        }
    }
    text
}

/// One rule is changed, or stays as it was. None whose loop has no end: outside a run, where everybody leaves when an
/// execution is over, nobody but a million turns of it says so, and there are hundreds of executions to a program.
pub(crate) fn change_a_rule(scenario: &mut Scenario, random: &mut SplitMix64) {
    let rules: Vec<_> = RULES.iter().filter(|rule| rule.name != "busy-scan").collect();
    let rule = rules[random.below(rules.len() as u32) as usize];
    let value = rule.values[random.below(rule.values.len() as u32) as usize].name;
    scenario.rules.set(rule.name, value).expect("a value of the rule");
}

/// How many programs a variable asks for, or so many, and where they are drawn from.
pub(crate) fn asked(variable: &str, programs: u64) -> (u64, SplitMix64) {
    let number = |name, otherwise| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    (number(variable, programs), SplitMix64::new(number("PGMAP_RANDOM_SEED", 2)))
}

/// The figures of a long run.
#[expect(clippy::print_stderr, reason = "the figures of a long run")]
pub(crate) fn report(figures: &str) {
    eprintln!("{figures}");
}
