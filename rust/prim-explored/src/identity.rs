//! What a step is for the schedules that name it: the verb by its text, the object by table, entry and field.
//!
//! A schedule outlives the layout of memory. In it a word is `(table, which entry, field)`, so one that is put beside
//! it, a table that is carved before it, or a verb that is added changes nothing about the schedules that there are.
//! What is no memory of the arena has a number that means the same for good ([`Subject`]).
//!
//! Asked for each event of an execution that is written down or follows a schedule, never in a search.

use pgmap_sched::{Object, Step};

use crate::{
    Layout, in_use,
    memory::{Located, Region},
    object::Subject,
    verb_name,
};

/// The number of a step, of the arena in use.
#[must_use]
pub fn identity(step: &Step) -> u64 {
    object(text(START, verb_name(step.verb)), step.object)
}

/// Digits of pi, as anything without a structure.
const START: u64 = 0x243f_6a88_85a3_08d3;
const ODD: u64 = 0x1319_8a2e_0370_7345;

/// The folded multiplication: the halves of a product, xored.
fn number(hash: u64, number: u64) -> u64 {
    let product = u128::from(hash ^ ODD) * u128::from(number ^ hash.rotate_left(32) ^ START);
    product as u64 ^ (product >> 64) as u64
}

fn text(hash: u64, text: &str) -> u64 {
    let word = |chunk: &[u8]| chunk.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    let all = text.as_bytes().chunks(8).fold(hash, |hash, chunk| number(hash, word(chunk)));
    // So that "a" and "b" are not "ab".
    number(all, text.len() as u64)
}

fn object(hash: u64, object: Object) -> u64 {
    let (kind, at, whole) = match Subject::of(object) {
        Subject::Word(at) => ("word", at, false),
        Subject::Queue(at) => ("queue", at, false),
        // Entries are wiped whole, whatever their first field is.
        Subject::Range(at) => ("range", at, true),
        Subject::Section(_)
        | Subject::Slot(_)
        | Subject::Signal(_)
        | Subject::Buffer(_)
        | Subject::InFlight(_)
        | Subject::Faults
        | Subject::Outside(_) => return number(hash, object.0),
    };
    let located = usize::try_from(at).ok().and_then(in_use::locate);
    match located {
        Some(located) if whole => entry(text(hash, kind), &located),
        Some(located) => {
            let hash = entry(text(hash, kind), &located);
            field(hash, &located.region.layout, located.byte as u64)
        }
        None => number(text(hash, kind), at),
    }
}

fn entry(hash: u64, located: &Located) -> u64 {
    let Located { region: Region { name, part, nth, .. }, index, .. } = *located;
    let table = number(text(text(hash, name), part), nth as u64);
    number(table, index as u64)
}

fn field(hash: u64, layout: &Layout, byte: u64) -> u64 {
    match layout {
        Layout::Whole => number(hash, byte),
        Layout::Fields(_) => match layout.field(byte as usize) {
            Some(it) => field(text(hash, it.name), &it.layout, byte - it.offset as u64),
            // What lies between fields is nobody's.
            None => number(hash, byte),
        },
        Layout::Elements { stride, each } => match byte.checked_div(*stride as u64) {
            Some(index) => field(number(hash, index), each, byte % *stride as u64),
            None => number(hash, byte),
        },
    }
}
