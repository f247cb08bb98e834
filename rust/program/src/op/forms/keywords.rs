//! Words out of a few.

use super::{At, Form, Names, Text, said};
use crate::op::describe::Kind;
use crate::op::words::Spelled;
use crate::parse::words::{Complaint, Reading, Word};

forms! {
    /// One of a few words.
    OneOf,
    /// A word for the second of two values; the first goes without saying.
    Keyword,
    /// One of a few words; the first goes without saying.
    FirstOr,
    /// The word that the operation is called by.
    Spoken,
}

impl<T: Spelled> Form<T> for OneOf {
    const KIND: Kind = Kind::Words(T::WORDS);

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<T, Complaint> {
        one_of(from.words.take(at.usage)?, at.usage)
    }

    fn text(&self, _: At, value: &T, _: Names<'_>) -> Text {
        said(value.spell())
    }
}

impl<T: Spelled> Form<T> for Keyword {
    const KIND: Kind = Kind::Words(T::WORDS);

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<T, Complaint> {
        Ok(T::VALUES[usize::from(from.words.keyword(at.what()))])
    }

    fn text(&self, at: At, value: &T, _: Names<'_>) -> Text {
        if *value == T::VALUES[0] { Text::Unsaid("") } else { said(at.what()) }
    }
}

impl<T: Spelled> Form<T> for FirstOr {
    const KIND: Kind = Kind::Words(T::WORDS);

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<T, Complaint> {
        from.words.optional().map_or(Ok(T::VALUES[0]), |word| one_of(word, at.name))
    }

    fn text(&self, _: At, value: &T, _: Names<'_>) -> Text {
        if *value == T::VALUES[0] { Text::Unsaid("") } else { said(value.spell()) }
    }
}

impl<T: Spelled> Form<T> for Spoken {
    const KIND: Kind = Kind::Spoken(T::WORDS);

    fn read(&self, at: At, from: &mut Reading<'_, '_>) -> Result<T, Complaint> {
        one_of(from.words.op(), at.usage)
    }

    fn text(&self, _: At, _: &T, _: Names<'_>) -> Text {
        Text::Unsaid("")
    }

    fn spoken(&self, value: &T) -> Option<&'static str> {
        Some(value.spell())
    }
}

fn one_of<T: Spelled>(word: Word<'_>, what: &str) -> Result<T, Complaint> {
    T::read(word.text).ok_or_else(|| {
        let known = T::WORDS.join(" or ");
        word.complain(format!("{what} is \"{}\"; it must be {known}", word.text))
    })
}
