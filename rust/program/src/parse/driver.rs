//! `driver NAME PAGES alloc PRIMITIVE ... page_free PRIMITIVE ...`, and what no driver can be.
//!
//! Refused is what nobody could mean: a lock that its function does not let go of, a page that is asked for before
//! there is one. Mistakes that a driver can have, an order that is wrong or a lock that is missing, are left to it.

use super::words::{Complaint, Word, Words};
use super::{check_name, named};
use crate::driver::{
    DRIVER_PAGES_MAX, DRIVERS_MAX, Does, DriverSpec, Function, NAMES_MAX, PRIMITIVES_MAX,
    Primitive, PrimitiveInfo, Stands, Takes,
};
use crate::nearest::hint;
use crate::program::Program;

/// What follows the word `driver`.
const USAGE: &str = "NAME PAGES alloc PRIMITIVE ... page_free PRIMITIVE ...";

/// A driver, from the words behind `driver`.
pub(super) fn parse(
    first: Word<'_>,
    rest: &[Word<'_>],
    program: &Program,
) -> Result<DriverSpec, Complaint> {
    if !program.steps.is_empty() {
        return Err(first.complain("drivers are declared before the first step"));
    }
    if program.drivers.len() == DRIVERS_MAX {
        return Err(first.complain(format!("a program has at most {DRIVERS_MAX} drivers")));
    }
    let mut words = Words::new(first, USAGE, rest);
    let name = words.take("NAME")?;
    check_name(name, "driver name")?;
    if program.driver(name.text).is_some() {
        return Err(name.complain(format!("driver {} is declared twice", name.text)));
    }
    let pages = words.take("PAGES")?.number("PAGES", 1, DRIVER_PAGES_MAX)?;
    let mut driver = DriverSpec { name: name.text.to_owned(), pages, ..DriverSpec::default() };
    let alloc = words.take(Function::Alloc.word())?;
    if alloc.text != Function::Alloc.word() {
        return Err(alloc.complain(format!("\"{}\" is not alloc, which comes first", alloc.text)));
    }
    let mut behind = None;
    let mut list = List::of(Function::Alloc);
    while let Some(word) = words.optional() {
        if word.text == Function::PageFree.word() && behind.is_none() {
            list.close(alloc, &driver)?;
            list = List::of(Function::PageFree);
            behind = Some(word);
            continue;
        }
        list.add(word, &mut driver)?;
    }
    let Some(page_free) = behind else {
        return Err(first.complain(format!("driver takes {USAGE}: page_free is missing")));
    };
    list.close(page_free, &driver)?;
    Ok(driver)
}

/// A function while it is read.
struct List {
    function: Function,
    /// Locks that are held here, by their place.
    held: [bool; NAMES_MAX],
    popped: bool,
}

impl List {
    fn of(function: Function) -> Self {
        Self { function, held: [false; NAMES_MAX], popped: false }
    }

    /// The next primitive.
    fn add(&mut self, word: Word<'_>, driver: &mut DriverSpec) -> Result<(), Complaint> {
        let primitive = primitive(word, driver)?;
        if driver.list(self.function).len() == PRIMITIVES_MAX {
            let what = format!("{} has at most {PRIMITIVES_MAX} primitives", self.function.word());
            return Err(word.complain(what));
        }
        self.stands(primitive, driver).map_err(|what| word.complain(what))?;
        match self.function {
            Function::Alloc => driver.alloc.push(primitive),
            Function::PageFree => driver.page_free.push(primitive),
        }
        Ok(())
    }

    /// Whether a primitive makes sense behind those before it.
    fn stands(&mut self, primitive: Primitive, driver: &DriverSpec) -> Result<(), String> {
        let (slot, function) = (usize::from(primitive.slot), self.function.word());
        let word = primitive.does.info().word;
        match (primitive.does, primitive.does.info().stands, self.function) {
            (_, Stands::OnceInAlloc, Function::PageFree) => {
                return Err(format!("page_free is given its page: {word} has no place there"));
            }
            (_, Stands::InPageFree, Function::Alloc) => {
                return Err(format!("alloc hands its page out: {word} has no place there"));
            }
            (_, Stands::OnceInAlloc, Function::Alloc) if self.popped => {
                return Err("alloc takes one page: a second pop has no place there".to_owned());
            }
            (_, Stands::WithPage, Function::Alloc) if !self.popped => {
                return Err(format!("{word} is for a page, and before pop alloc has none"));
            }
            (Does::Lock, ..) if self.held[slot] => {
                return Err(format!("{function} has {} already", driver.locks[slot]));
            }
            (Does::Unlock, ..) if !self.held[slot] => {
                return Err(format!("{function} does not have {} here", driver.locks[slot]));
            }
            _ => {}
        }
        match primitive.does {
            Does::Lock => self.held[slot] = true,
            Does::Unlock => self.held[slot] = false,
            Does::Pop => self.popped = true,
            _ => {}
        }
        Ok(())
    }

    /// What must be so at the end.
    fn close(&self, word: Word<'_>, driver: &DriverSpec) -> Result<(), Complaint> {
        let function = self.function.word();
        if let Some(slot) = self.held.iter().position(|held| *held) {
            let what = format!("{function} ends with {} held: unlock it", driver.locks[slot]);
            return Err(word.complain(what));
        }
        match self.function {
            Function::Alloc if !self.popped => {
                Err(word.complain("alloc takes no page: it needs a pop"))
            }
            Function::Alloc | Function::PageFree => Ok(()),
        }
    }
}

/// One primitive: `pop`, `lock(free)`, `store(cell,1)`.
fn primitive(word: Word<'_>, driver: &mut DriverSpec) -> Result<Primitive, Complaint> {
    let (name, inside) = match word.text.split_once('(') {
        None => (word.text, None),
        Some((name, rest)) => (name, rest.strip_suffix(')')),
    };
    let does = Does::named(name).ok_or_else(|| {
        let like = hint(name, Does::ALL.iter().map(|does| does.info().word));
        word.complain(format!("no primitive of a driver is called \"{name}\"{like}"))
    })?;
    let PrimitiveInfo { takes, .. } = does.info();
    let usage = match takes {
        Takes::Nothing => name.to_owned(),
        Takes::Lock => format!("{name}(LOCK)"),
        Takes::Cell => format!("{name}(CELL)"),
        Takes::CellAndValue => format!("{name}(CELL,VALUE)"),
        Takes::Value => format!("{name}(VALUE)"),
    };
    let wrong = || word.complain(format!("\"{}\" is written {usage}", word.text));
    let value = |text: &str| {
        text.parse::<u16>().map_err(|_| {
            let most = u16::MAX;
            word.complain(format!("\"{text}\" in {usage} must be a number from 0 to {most}"))
        })
    };
    let mut named = |names: fn(&mut DriverSpec) -> &mut Vec<String>, text: &str, what: &str| {
        slot(names(driver), text, what).map_err(|why| word.complain(why))
    };
    let (slot, value) = match (takes, inside) {
        (Takes::Nothing, None) if !word.text.contains('(') => (0, 0),
        (Takes::Lock, Some(lock)) => (named(|it| &mut it.locks, lock, "lock")?, 0),
        (Takes::Cell, Some(cell)) => (named(|it| &mut it.cells, cell, "cell")?, 0),
        (Takes::CellAndValue, Some(both)) => {
            let (cell, number) = both.split_once(',').ok_or_else(wrong)?;
            (named(|it| &mut it.cells, cell, "cell")?, value(number)?)
        }
        (Takes::Value, Some(number)) => (0, value(number)?),
        _ => return Err(wrong()),
    };
    Ok(Primitive { does, slot, value })
}

/// The place of a name, a new one if it has none.
fn slot(names: &mut Vec<String>, text: &str, what: &str) -> Result<u8, String> {
    if let Some(at) = names.iter().position(|name| name == text) {
        return Ok(at as u8);
    }
    if !named(text) {
        return Err(format!(
            "\"{text}\" is no name of a {what}: a letter or _, then letters, digits, _ . or -"
        ));
    }
    if names.len() == NAMES_MAX {
        return Err(format!("a driver has at most {NAMES_MAX} {what}s"));
    }
    names.push(text.to_owned());
    Ok((names.len() - 1) as u8)
}
