//! How likely each word of hunts is, where workers are meant to be in each other's way.
//!
//! A race takes a state that has to be brought about, two who meet in it, and often somebody who makes use of what was
//! given away. So one worker goes on with what it has, the other takes it away; and who has made a file smaller is
//! likely to extend it and to touch what comes. Hunts draw programs by these weights, and so do the strategies for
//! Hypothesis: what one learns to find the other does, too. What a weight says nothing of is whether anything can
//! come of the word: that knows whoever writes the program down.

use serde::Serialize;

/// What a worker begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It uses what it has.
    User,
    /// It takes away what others use.
    Taker,
}

/// Which worker a word is for.
#[derive(Clone, Copy)]
enum For {
    Anybody,
    Users,
    Takers,
}

/// The weight of a word.
#[derive(Clone, Copy)]
struct Likely {
    whose: For,
    weight: u32,
}

const fn anybody(weight: u32) -> Likely {
    Likely { whose: For::Anybody, weight }
}

const fn users(weight: u32) -> Likely {
    Likely { whose: For::Users, weight }
}

const fn takers(weight: u32) -> Likely {
    Likely { whose: For::Takers, weight }
}

/// A row: a word, its weight on files that were written and on such that were not, and its weight right behind a word.
struct Row {
    word: &'static str,
    written: Likely,
    unwritten: Likely,
    behind: Option<(&'static str, u32)>,
}

const fn row(word: &'static str, likely: Likely) -> Row {
    Row { word, written: likely, unwritten: likely, behind: None }
}

const fn behind(row: Row, word: &'static str, weight: u32) -> Row {
    Row { behind: Some((word, weight)), ..row }
}

/// Words that are likelier or less likely than another one, in which case they have a weight of 1.
const ROWS: &[Row] = &[
    behind(row("touch", users(1)), "extend", 40),
    Row { unwritten: anybody(3), ..row("read", anybody(1)) },
    row("reference", users(2)),
    row("drop", users(2)),
    row("vmsplice", users(1)),
    row("munmap", takers(1)),
    row("offline", takers(1)),
    behind(row("truncate", takers(2)), "truncate", 0),
    behind(row("extend", anybody(0)), "truncate", 40),
    Row { unwritten: takers(2), ..row("write", anybody(1)) },
    row("punch", takers(1)),
    row("unlink", takers(1)),
    // The driver's own memory: who walks frame numbers, or frees, meets who takes folios apart or builds them.
    row("put", users(1)),
    row("alloc", takers(1)),
    row("walk", users(1)),
    row("split", takers(1)),
    // Anonymous memory: who touches it meets who moves it or takes a huge page of it apart.
    row("splithuge", anybody(3)),
    row("tosys", takers(1)),
    row("todev", takers(1)),
    // The device's driver closes.
    row("release", takers(1)),
    // What the slow device still reads.
    row("dio", users(1)),
    // The device goes, and all pages with it.
    row("unbind", takers(1)),
];

impl Likely {
    fn at(self, part: Part, last: Option<&str>) -> u32 {
        let times = match (self.whose, part, last) {
            (For::Anybody, _, _) => 1,
            (_, _, Some(_)) => 2,
            (For::Users, Part::User, None) => 4,
            (For::Takers, Part::User, None) | (For::Users, Part::Taker, None) => 1,
            (For::Takers, Part::Taker, None) => 6,
        };
        self.weight * times
    }
}

/// How likely a word is to be the next of a worker who plays this part, and whose last word behind `start` was this.
#[must_use]
pub fn weight(word: &str, part: Part, last: Option<&str>, written: bool) -> u32 {
    let Some(row) = ROWS.iter().find(|row| row.word == word) else { return 1 };
    match row.behind {
        Some((before, weight)) if last == Some(before) => weight,
        _ if written => row.written.at(part, last),
        _ => row.unwritten.at(part, last),
    }
}

/// The weights of a word as data, on a file that was written.
#[derive(Debug, Serialize)]
pub struct Weights {
    /// As the first of a worker who uses what it has.
    pub user: u32,
    /// As the first of one who takes it away.
    pub taker: u32,
    /// Later.
    pub later: u32,
    /// Right behind a word that makes it likelier or less likely.
    pub behind: Option<(&'static str, u32)>,
}

impl Weights {
    /// Those of a word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        Weights {
            user: weight(word, Part::User, None, true),
            taker: weight(word, Part::Taker, None, true),
            later: weight(word, Part::User, Some(""), true),
            behind: ROWS.iter().find(|row| row.word == word).and_then(|row| row.behind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Hunted;

    #[test]
    fn every_row_is_about_a_word_of_hunts_once() {
        let words: Vec<&str> = Hunted::all().iter().map(|it| it.word).collect();
        for row in ROWS {
            assert!(words.contains(&row.word), "{}", row.word);
            assert_eq!(ROWS.iter().filter(|it| it.word == row.word).count(), 1, "{}", row.word);
            let before = row.behind.map(|(word, _)| word);
            assert!(before.is_none_or(|word| words.contains(&word)), "{before:?}");
        }
    }

    #[test]
    fn no_two_words_of_hunts_have_one_turn() {
        let mut turns: Vec<_> = Hunted::all().iter().map(|it| it.turn).collect();
        let words = turns.len();
        turns.dedup();
        assert_eq!(turns.len(), words);
    }

    #[test]
    fn who_uses_begins_with_use_who_takes_with_taking_and_what_was_cut_off_comes_back() {
        let first = |word, part| weight(word, part, None, true);
        assert!(first("touch", Part::User) > first("truncate", Part::User));
        assert!(first("touch", Part::Taker) < first("truncate", Part::Taker));
        assert_eq!(first("extend", Part::Taker), 0);
        let next = |word, last| weight(word, Part::Taker, Some(last), true);
        assert!(next("extend", "truncate") > next("punch", "truncate"));
        assert!(next("touch", "extend") > next("touch", "punch"));
        assert_eq!(next("truncate", "truncate"), 0);
        assert_eq!((first("exit", Part::User), first("no such word", Part::Taker)), (1, 1));
    }

    #[test]
    fn what_was_never_written_is_read_and_written_sooner() {
        for word in ["read", "write"] {
            let on = |written| weight(word, Part::Taker, None, written);
            assert!(on(false) > on(true), "{word}");
        }
    }
}
