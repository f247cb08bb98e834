//! Pages, sizes, data words and time.

use super::{At, Form, Names, Number, Text, Use, said, some};
use crate::op::describe::Kind;
use crate::op::{FD_NUMBERS, PAGE_MAX, PageRange, REFS};
use crate::parse::words::{Complaint, Reading, Word};

forms! {
    /// Which page.
    Page,
    /// How many, from the page before on.
    Pages,
    /// How many; 1 goes without saying.
    PagesOrOne,
    /// The size of a file.
    Size,
    /// A descriptor's number in the kernel.
    FdNumber,
    /// A reference of the program's own.
    Reference,
    /// Some pages of what is named; none for all of them.
    Part,
    /// A data word.
    Value,
    /// A data word; 1 goes without saying.
    ValueOrOne,
    /// A span of virtual time, or none for as long as nobody lets it pass.
    Ticks,
}

impl Form<u32> for Page {
    const KIND: Kind = Kind::Page;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<u32, Complaint> {
        from.words.page(at.usage)
    }

    fn text(&self, _: At, value: &u32, _: Names<'_>) -> Text {
        said(value)
    }

    fn numbers(&self, value: &mut u32, visit: &mut dyn FnMut(Number<'_>)) {
        visit(Number::Page(value));
    }
}

impl Form<u32> for Pages {
    const KIND: Kind = Kind::Pages;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<u32, Complaint> {
        from.words.take(at.usage).and_then(|word| from.words.pages(word))
    }

    fn text(&self, _: At, value: &u32, _: Names<'_>) -> Text {
        said(value)
    }

    fn numbers(&self, value: &mut u32, visit: &mut dyn FnMut(Number<'_>)) {
        visit(Number::Count(value));
    }
}

impl Form<u32> for PagesOrOne {
    const KIND: Kind = Kind::Pages;

    fn read(&self, _: At, from: &mut Reading<'_, '_>) -> Result<u32, Complaint> {
        match from.words.peek().filter(|word| word.is_number()) {
            None => Ok(1),
            Some(word) => {
                from.words.skip();
                from.words.pages(word)
            }
        }
    }

    fn text(&self, _: At, value: &u32, _: Names<'_>) -> Text {
        but_one(value)
    }

    fn numbers(&self, value: &mut u32, visit: &mut dyn FnMut(Number<'_>)) {
        visit(Number::Count(value));
    }
}

impl Form<u32> for Size {
    const KIND: Kind = Kind::Size;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<u32, Complaint> {
        from.words.take(at.usage)?.number(at.usage, 0, PAGE_MAX)
    }

    fn text(&self, _: At, value: &u32, _: Names<'_>) -> Text {
        said(value)
    }

    fn numbers(&self, value: &mut u32, visit: &mut dyn FnMut(Number<'_>)) {
        visit(Number::Page(value));
    }
}

impl Form<u8> for FdNumber {
    const KIND: Kind = Kind::FdNumber;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<u8, Complaint> {
        let number = from.words.take(at.usage)?.number(at.usage, 0, u32::from(FD_NUMBERS) - 1)?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    fn text(&self, _: At, value: &u8, _: Names<'_>) -> Text {
        said(value)
    }
}

impl Form<u8> for Reference {
    const KIND: Kind = Kind::Reference;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<u8, Complaint> {
        let number = from.words.take(at.usage)?.number(at.usage, 0, u32::from(REFS) - 1)?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    fn text(&self, _: At, value: &u8, _: Names<'_>) -> Text {
        said(value)
    }
}

impl Form<Option<PageRange>> for Part {
    const KIND: Kind = Kind::Part;

    fn read(&self, _: At, from: &mut Reading<'_, '_>) -> Result<Option<PageRange>, Complaint> {
        if from.words.peek().is_none() {
            return Ok(None);
        }
        let page = from.words.page("PAGE")?;
        let pages = from.words.take("N").and_then(|word| from.words.pages(word))?;
        Ok(Some(PageRange { page, pages }))
    }

    fn text(&self, _: At, value: &Option<PageRange>, _: Names<'_>) -> Text {
        some(value.map(|range| format!("{} {}", range.page, range.pages)))
    }

    fn uses(&self, value: &Option<PageRange>) -> Use {
        if value.is_some() { Use::Part } else { Use::Nothing }
    }

    fn numbers(&self, value: &mut Option<PageRange>, visit: &mut dyn FnMut(Number<'_>)) {
        if let Some(range) = value {
            visit(Number::Page(&mut range.page));
            visit(Number::Count(&mut range.pages));
        }
    }
}

impl Form<u64> for Value {
    const KIND: Kind = Kind::Value;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<u64, Complaint> {
        from.words.take(at.usage)?.value()
    }

    fn text(&self, _: At, value: &u64, _: Names<'_>) -> Text {
        said(value)
    }
}

impl Form<u64> for ValueOrOne {
    const KIND: Kind = Kind::Value;

    fn read(&self, _: At, from: &mut Reading<'_, '_>) -> Result<u64, Complaint> {
        from.words.optional().map_or(Ok(1), Word::value)
    }

    fn text(&self, _: At, value: &u64, _: Names<'_>) -> Text {
        but_one(value)
    }
}

impl Form<Option<u32>> for Ticks {
    const KIND: Kind = Kind::Ticks;

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<Option<u32>, Complaint> {
        from.words.optional().map(|word| word.number(at.what(), 0, u32::MAX)).transpose()
    }

    fn text(&self, _: At, value: &Option<u32>, _: Names<'_>) -> Text {
        some(*value)
    }
}

/// Said unless it is the 1 that goes without saying.
fn but_one<T: PartialEq + From<u8> + ToString>(value: &T) -> Text {
    if *value == T::from(1) { Text::Unsaid("") } else { said(value.to_string()) }
}
