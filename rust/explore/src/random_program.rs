//! Programs nobody wrote, drawn so that their workers are likely to be in each other's way.
//!
//! A race takes a state that has to be brought about, two who meet in it, and often somebody who makes use of what was
//! given away. Programs that are enumerated reach that last: most are about nothing. Here the set-up maps, touches and
//! pins; then one worker goes on with what it has, and the other takes it away: truncates, punches, unlinks, unmaps,
//! leaves, with or without references in a pipe of its own. Who has made a file smaller is likely to extend it and to touch
//! what comes. A second file often fills half of the device, and beside a huge one a third file the rest, so that a freed
//! block is used again at once. Files are small or huge, written or not.
//!
//! Some programs are about something else: two files that have a block in common; a driver's memory, of which folios come
//! and go; or anonymous memory, pages of it, perhaps in a device's own memory, or a huge page, which two processes share
//! after a fork. And in some the two workers are threads of one process: what one of them maps, moves or unmaps the other
//! one touches.
//!
//! The weights (`contention` in the table of operations) say what is likely, and no word is left out that could come.

use std::fmt::Write as _;

use pgmap_program::op::{self, Handle, Hunted, Part};
use pgmap_sched::SplitMix64;

/// Workers in a program.
pub(crate) const WORKERS: usize = 2;
/// Pages of the file that fills half of a device with small files; beside a larger one it is as large as that.
const FILL: u32 = 8;
/// Most operations of one worker after `start`.
const AT_ONCE: u32 = 3;

/// What a worker has, and did last.
#[derive(Clone, Copy, Default)]
struct Worker {
    mapped: bool,
    open: bool,
    /// The slow device is.
    device: bool,
    pipe: bool,
    spliced: bool,
    pins: u32,
    gone: bool,
    /// Behind `start`.
    last: Option<&'static str>,
}

impl Worker {
    /// Whether it has references that a munmap leaves.
    fn keeps(&self) -> bool {
        self.pins > 0 || self.spliced
    }
}

/// What memory a program is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    File,
    HugeFile,
    /// A file, and another one with the same block.
    SharedFile,
    /// A driver's own memory, in no file and in no mapping.
    Driver,
    /// Anonymous memory, in huge pages or not.
    Anonymous(&'static str),
}

struct Draft<'a> {
    words: &'a [Hunted],
    luck: SplitMix64,
    text: String,
    workers: [Worker; WORKERS],
    ops: usize,
    most: usize,
    /// Pages of the file.
    pages: u32,
    about: About,
    written: bool,
    /// Whether `start` is behind us.
    started: bool,
    /// Whether the second worker is a thread of the first one's process.
    threads: bool,
    /// Whether somebody has taken a folio of the driver's own memory.
    allocated: bool,
}

/// The n-th program of a seed, of so many operations at most, and how many it has; none if too little came of it.
pub(crate) fn program(
    words: &[Hunted],
    most: usize,
    pmd_pages: u32,
    seed: u64,
    nth: u64,
) -> Option<(usize, String)> {
    let of_seed = SplitMix64::new(seed).next_u64();
    let mut luck = SplitMix64::new(SplitMix64::new(of_seed.wrapping_add(nth)).next_u64());
    let (huge, written) = (luck.below(4) == 0, luck.below(4) != 0);
    let has = |word| words.iter().any(|it| it.word == word);
    let about = match luck.below(10) {
        0 if has("alloc") => About::Driver,
        1 if has("reflink") => About::SharedFile,
        2 | 3 if has("fork") && huge => About::Anonymous("anonhuge"),
        2 | 3 if has("fork") => About::Anonymous("anon"),
        _ if huge => About::HugeFile,
        _ => About::File,
    };
    let pages = match about {
        About::HugeFile | About::Anonymous("anonhuge") => pmd_pages,
        _ => 1,
    };
    let mut draft = Draft {
        words,
        luck,
        text: String::new(),
        workers: [Worker::default(); WORKERS],
        ops: 0,
        most,
        pages,
        about,
        written,
        started: false,
        threads: false,
        allocated: false,
    };
    let threads = words.iter().any(|it| it.word == "thread") && draft.chance(4);
    match about {
        About::File | About::HugeFile => {
            draft.files();
            if threads {
                draft.say(0, "thread");
            }
            draft.set_up();
        }
        About::SharedFile => draft.shared_by_files(),
        About::Driver => draft.say(0, "alloc"),
        About::Anonymous(kind) => draft.shared(kind, if threads { "thread" } else { "fork" }),
    }
    // What happened before says nothing about what comes at once.
    draft.workers.iter_mut().for_each(|worker| worker.last = None);
    draft.text.push_str("start\n");
    draft.started = true;
    let before = draft.ops;
    for who in 0..WORKERS {
        let others = draft.ops;
        for _ in 0..=draft.luck.below(AT_ONCE) {
            draft.step(who);
        }
        if draft.ops == others {
            return None;
        }
    }
    (draft.ops >= before + WORKERS).then_some((draft.ops, draft.text))
}

impl Draft<'_> {
    fn chance(&mut self, one_in: u32) -> bool {
        self.luck.below(one_in) == 0
    }

    fn files(&mut self) {
        let huge = self.about == About::HugeFile;
        let state = if self.written { "written" } else { "unwritten" };
        let layout = if huge { " huge" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "file f {} {state}{layout}", self.pages);
        if self.chance(4) {
            return;
        }
        let half = self.pages.max(FILL);
        let _ = writeln!(self.text, "file g {half}");
        // A huge file has no room but where it was, unless its blocks come back as small ones.
        let rest = half - self.pages;
        if huge && rest > 0 && !self.chance(4) {
            let _ = writeln!(self.text, "file h {rest}");
        }
    }

    fn set_up(&mut self) {
        for who in 0..WORKERS {
            if self.chance(8) {
                self.say(who, "device");
            }
            if self.chance(6) {
                // The order decides which has the lower number.
                let both = if self.chance(2) { ["pipe", "open"] } else { ["open", "pipe"] };
                both.into_iter().for_each(|word| self.say(who, word));
            }
        }
        let [first, second] = [16, 4];
        for (who, not) in [(0, first), (1, second)] {
            if !self.chance(not) {
                self.say(who, "mmap");
            }
        }
        if self.chance(8) {
            self.say(0, "alloc");
        }
        for who in 0..WORKERS {
            if self.chance(2) {
                let word = if self.chance(4) { "read" } else { "touch" };
                self.say(who, word);
            }
        }
        for who in 0..WORKERS {
            if self.chance(4) {
                let word = if self.chance(4) { "get" } else { "reference" };
                self.say(who, word);
            }
            if self.workers[who].pipe && !self.chance(3) {
                self.say(who, "vmsplice");
            }
            if self.workers[who].keeps() && self.chance(6) {
                self.say(who, "munmap");
            }
        }
    }

    /// Files that have one block, each of them mapped by one worker.
    fn shared_by_files(&mut self) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "file f 1\nfile g 1");
        (0..WORKERS).for_each(|who| self.say(who, "mmap"));
        self.say(0, "reflink");
        for who in 0..WORKERS {
            if self.chance(2) {
                let word = if self.chance(2) { "read" } else { "touch" };
                self.say(who, word);
            }
        }
    }

    /// Memory that two workers map: the second one is the first one's child, or a thread of its process.
    fn shared(&mut self, kind: &'static str, by: &'static str) {
        self.say(0, kind);
        if !self.chance(8) {
            self.say(0, "touch");
        }
        if self.chance(2) {
            self.say(0, "todev");
        }
        if self.chance(6) {
            self.say(0, "get");
        }
        self.say(0, by);
    }

    /// One operation of a worker at the same time as others.
    fn step(&mut self, who: usize) {
        let weights: Vec<u32> = self.words.iter().map(|word| self.weight(who, word)).collect();
        let all: u32 = weights.iter().sum();
        if all == 0 {
            return;
        }
        let mut left = self.luck.below(all);
        let drawn = weights.iter().position(|&weight| {
            let here = left < weight;
            left = left.saturating_sub(weight);
            here
        });
        if let Some(word) = drawn.and_then(|at| self.words.get(at)) {
            self.say(who, word.word);
        }
    }

    /// How likely a word is to be a worker's next, if anything can come of it.
    fn weight(&self, who: usize, word: &Hunted) -> u32 {
        if !self.is_possible(who, word) {
            return 0;
        }
        let (me, word) = (&self.workers[who], word.word);
        let part = if who == 0 { Part::User } else { Part::Taker };
        // Who leaves with references in a pipe of its own gives them back in the end.
        let like = if word == "exit" && me.spliced { "drop" } else { word };
        op::weight(like, part, me.last, self.written)
    }

    /// Whether anything can come of a word: its worker has what it needs, and not yet what it makes.
    fn is_possible(&self, who: usize, word: &Hunted) -> bool {
        let Worker { mut mapped, mut open, mut device, mut pipe, pins, gone, .. } =
            self.workers[who];
        // The numbers are those of both; what one of them has given up the other may still name.
        let other = self.workers[1 - who];
        let makes = ["mmap", "anon", "anonhuge", "open", "device", "pipe"].contains(&word.word);
        if self.threads && makes {
            mapped |= other.mapped;
            open |= other.open;
            device |= other.device;
            pipe |= other.pipe;
        }
        let anonymous = matches!(self.about, About::Anonymous(_));
        let files = matches!(self.about, About::File | About::HugeFile | About::SharedFile);
        let has = [(Handle::Mapping, mapped), (Handle::Fd, open), (Handle::Pipe, pipe)];
        let possible = match word.word {
            // Who frees a block that files shared waits with locks held, which the one with the page may need.
            "reference" | "get" | "device" | "pipe" if self.about == About::SharedFile => false,
            "mmap" => !mapped && files,
            "anon" | "anonhuge" => !mapped && anonymous,
            // The child is there before it does anything, or there is none.
            "fork" => anonymous && who == 0 && !self.workers[1].mapped && !self.started,
            // Threads begin before anything happens at once, in a process that has what both of them have.
            "thread" => who == 0 && !self.workers[1].mapped && !self.started && !self.threads,
            "open" => !open && files,
            "reflink" => self.about == About::SharedFile,
            "device" => !device && self.about != About::Driver,
            "dio" => device && mapped,
            "pipe" => !pipe && self.about != About::Driver,
            "drop" | "dma" => pins > 0,
            // Who walks frames would keep a page from coming home, which is asked for again for ever.
            "alloc" => !anonymous,
            "shrink" => anonymous,
            "put" | "walk" | "split" => self.allocated,
            "truncate" | "extend" | "write" | "punch" | "unlink" => files,
            "release" => anonymous,
            "todev" | "tosys" | "splithuge" | "exclusive" | "movepages" | "devread" => {
                mapped && anonymous
            }
            _ => has.iter().all(|(handle, has)| *has || !word.needs(*handle)),
        };
        possible && !gone
    }

    /// Writes a worker's operation down, if it is a word of the hunt and anything can come of it.
    fn say(&mut self, who: usize, word: &'static str) {
        let Some(known) = self.words.iter().find(|known| known.word == word) else { return };
        if !self.is_possible(who, known) || self.ops == self.most {
            return;
        }
        let text = self.form(who, known);
        let _ = writeln!(self.text, "w{who} {text}");
        self.ops += 1;
        let worker = &mut self.workers[who];
        worker.last = Some(word);
        match word {
            "mmap" | "anon" | "anonhuge" => worker.mapped = true,
            "device" => worker.device = true,
            // The child has what its parent has, but for references of its own.
            "fork" | "thread" => self.workers[1] = Worker { pins: 0, ..*worker },
            "munmap" => worker.mapped = false,
            "open" => worker.open = true,
            "pipe" => worker.pipe = true,
            "vmsplice" => worker.spliced = true,
            "reference" | "get" | "walk" => worker.pins += 1,
            "drop" => worker.pins -= 1,
            "exit" => worker.gone = true,
            "alloc" => self.allocated = true,
            _ => {}
        }
        self.threads |= word == "thread";
        if self.threads && word != "munmap" {
            let Worker { mapped, open, device, pipe, .. } = self.workers[who];
            let other = &mut self.workers[1 - who];
            other.mapped |= mapped;
            other.open |= open;
            other.device |= device;
            other.pipe |= pipe;
        }
    }

    /// A word for this file: all of it, or a page of it.
    fn form(&mut self, who: usize, word: &Hunted) -> String {
        let (pages, page) = (self.pages, self.luck.below(self.pages.min(2)));
        match word.word {
            "mmap" if who > 0 && self.about == About::HugeFile && self.chance(3) => {
                format!("mmap 0 f 0 {pages} rw shared odd")
            }
            // Through the descriptor, if there is one, so that the mapping is no open file of its own.
            "mmap" if self.workers[who].open => format!("mmap 0 0 0 {pages} rw shared"),
            "mmap" if who > 0 && self.about == About::SharedFile => "mmap 0 g 0 1 rw shared".into(),
            "mmap" => format!("mmap 0 f 0 {pages} rw shared"),
            "vmsplice" => format!("vmsplice 0 0 {page} 1"),
            "touch" | "read" | "reference" | "get" => {
                let verb = word.text.split(' ').next().unwrap_or_default();
                let both = pages > 1 && self.chance(3);
                if both { format!("{verb} 0 0 2") } else { format!("{verb} 0 {page}") }
            }
            "anon" | "anonhuge" => format!("{} 0 {pages}", word.word),
            "splithuge" => format!("split_huge_pages 0 {page}"),
            "extend" => format!("ftruncate f {pages}"),
            "punch" => format!("punch f 0 {pages}"),
            // The driver's own memory: a folio of one page or two, and either page of it.
            "alloc" => format!("dev_alloc {}", ["0 1", "1 1", "0 2"][self.luck.below(3) as usize]),
            "put" => format!("dev_put {}", self.luck.below(2)),
            "walk" => format!("try_get {}", self.luck.below(2)),
            _ => word.text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pgmap_program::{Op, Program};

    use super::*;

    fn drawn(words: &[Hunted], most: usize) -> impl Iterator<Item = (usize, Program)> {
        (0..2000).filter_map(move |nth| program(words, most, 4, 1, nth)).map(|(ops, text)| {
            let program = Program::parse(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
            (ops, program)
        })
    }

    #[test]
    fn what_is_drawn_is_a_program_of_two_workers_and_no_longer_than_asked_for() {
        let mut texts = std::collections::BTreeSet::new();
        for (ops, program) in drawn(&Hunted::all(), 8) {
            let after = program.halves().1;
            let both =
                [0, 1].map(|who| after.iter().any(|step| step.who.is_some_and(|w| w.0 == who)));
            assert_eq!(both, [true, true], "{program}");
            let said = program.steps.iter().filter(|step| step.op != Op::Start).count();
            assert!(said == ops && ops <= 8, "{program}");
            texts.insert(program.to_string());
        }
        assert!(texts.len() > 1000, "{} different ones", texts.len());
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_one_something_else() {
        let words = Hunted::all();
        let of = |seed| (0..50).map(|nth| program(&words, 8, 4, seed, nth)).collect::<Vec<_>>();
        assert_eq!(of(7), of(7));
        let (one, other) = (of(1), of(2));
        assert!(one.iter().flatten().all(|drawn| !other.contains(&Some(drawn.clone()))));
    }

    #[test]
    fn every_word_comes_and_no_other() {
        let count = |words: &[Hunted]| {
            let mut seen: Vec<String> = Vec::new();
            for (_, program) in drawn(words, 8) {
                seen.extend(program.steps.iter().map(|step| step.op.to_string()));
            }
            seen
        };
        let all = count(&Hunted::all());
        for word in Hunted::all() {
            let verb = word.text.split(' ').next().unwrap_or_default();
            assert!(all.iter().any(|op| op.starts_with(verb)), "{}", word.word);
        }
        let mut few = Hunted::all();
        few.retain(|it| ["mmap", "touch", "truncate"].contains(&it.word));
        let verbs = ["mmap", "w ", "ftruncate", "start"];
        let stray = |op: &&String| !verbs.iter().any(|verb| op.starts_with(verb));
        assert_eq!(count(&few).iter().find(stray), None);
    }
}
