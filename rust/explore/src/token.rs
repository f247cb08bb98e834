//! Tokens: a found execution as one word that can be pasted, mailed, and run again anywhere.
//!
//! `pgm3:`, and then, in the letters of URLs, a binary form: the era by name, the rules that differ from
//! it, steps that are left out, the sizes, what memory and TLBs may do, the program's text, the schedule, and a checksum
//! over all that. The schedule carries a rolling hash of what its execution did, so a token also tells when
//! a machine no longer does the same.
//!
//! A token outlives what is added to a machine. Rules and operations are in it by name, and its hash knows words
//! by table, entry and field ([`pgmap_prim::identity`]), not by where they lay; a size that did not exist
//! yet is the one of a small machine. In formats 1 and 2 words were known by where they lay, so those end with the
//! version that made them.
//!
//! A token may come from anybody. Reading one checks everything that a scenario is checked for; whatever
//! is wrong with it is a [`TokenError`] of one sentence, never a panic.

use std::fmt;
use std::str::FromStr;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{DecodeError, Engine as _};
use pgmap_program::{Era, EraError, Geometry, Memory, ParseError, Program, RuleError, TlbRefill};
use pgmap_sched::Schedule;
use thiserror::Error;

use crate::found::Found;
use crate::protocol::{UnknownStep, Without};
use crate::scenario::{Scenario, ScenarioError};

/// What every token begins with, up to the number of its format.
const KIND: &str = "pgm";
/// The format written here, and the only one read.
const FORMAT: &str = "3";
/// Formats whose schedules name words by where they lay.
const BY_PLACE: [&str; 2] = ["1", "2"];
/// Among the rules: a step that is left out.
const WITHOUT: &str = "without ";
/// x86-TSO, and speculative TLBs.
const TSO: u32 = 1;
const SPECULATIVE: u32 = 2;
/// Bytes of the checksum, which is last.
const CHECKSUM: usize = 4;

/// One execution of one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub scenario: Scenario,
    pub schedule: Schedule,
}

/// Why a word is not a token that can be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error("this is no token: tokens begin with {KIND}{FORMAT}:")]
    NotAToken,
    #[error("the token has format {KIND}{0}, and this version reads {KIND}{FORMAT} only")]
    Format(String),
    #[error(
        "the token has format {KIND}{0}, which knows memory by where it lay in the version that wrote it; this version \
         reads {KIND}{FORMAT} only: explore the program again for a new one"
    )]
    Old(String),
    #[error("the token has a character that no token has, at position {0}")]
    Letter(usize),
    #[error("the token is cut short")]
    Short,
    #[error("the token is damaged: its checksum does not fit")]
    Checksum,
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    #[error("the token's rules are none of this version: {0}")]
    Era(#[from] EraError),
    #[error("the token's rules are none of this version: {0}")]
    Rule(#[from] RuleError),
    #[error("the token's protocol is none of this version: {0}")]
    Step(#[from] UnknownStep),
    #[error("the token's program is none of this version: {0}")]
    Program(#[from] ParseError),
    #[error("the token's scenario cannot be run: {0}")]
    Scenario(#[from] ScenarioError),
    #[error("the token's schedule is malformed: {0}")]
    Schedule(String),
    #[error("the token's schedule switches to task {0}, and its program has {1}")]
    Task(u8, usize),
}

impl Found {
    /// The token of this failure, found in `scenario`.
    #[must_use]
    pub fn token(&self, scenario: &Scenario) -> Token {
        Token::new(scenario, self.schedule.clone())
    }
}

impl Token {
    /// The program is kept as its text is printed, so the line numbers of its steps are those of the
    /// printed text: what is read back from the token is equal to it.
    #[must_use]
    pub fn new(scenario: &Scenario, schedule: Schedule) -> Self {
        let mut scenario = scenario.clone();
        scenario.program.count_lines();
        Self { scenario, schedule }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Scenario { program, era, geometry, .. } = &self.scenario;
        let mut out = Vec::new();
        put_text(&mut out, era.name());
        let (broken, without) = (self.scenario.broken(), &self.scenario.without);
        put_number(&mut out, broken.len() + without.len());
        for (rule, value) in broken {
            put_text(&mut out, &format!("{rule}={value}"));
        }
        for step in without {
            put_text(&mut out, &format!("{WITHOUT}{step}"));
        }
        put_number(&mut out, Geometry::SIZES);
        numbers_of(geometry).into_iter().for_each(|size| put_number(&mut out, size as usize));
        put_number(&mut out, self.habits() as usize);
        put_text(&mut out, &program.to_string());
        out.extend(self.schedule.to_bytes());
        let checksum = crc32fast::hash(&out);
        out.extend(checksum.to_le_bytes());
        out
    }

    /// What memory and TLBs may do beyond the least.
    fn habits(&self) -> u32 {
        let tso = if self.scenario.memory == Memory::Tso { TSO } else { 0 };
        let speculative = self.scenario.tlb == TlbRefill::Speculative;
        tso | if speculative { SPECULATIVE } else { 0 }
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(TokenError::Short)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(TokenError::Checksum);
        }
        let mut input = Input(body);
        let era: Era = input.name()?.parse()?;
        let mut rules = era.rules();
        let mut without = Vec::new();
        for _ in 0..input.number()? {
            let name = input.name()?;
            match name.strip_prefix(WITHOUT) {
                Some(step) => without.push(Without::named(step)?),
                None => rules.apply(name)?,
            }
        }
        // What was no size yet is as on a small machine.
        let mut sizes = numbers_of(&Geometry::SMALL);
        let given = input.number()? as usize;
        let known = sizes.get_mut(..given);
        for size in
            known.ok_or(TokenError::Malformed("it has sizes that are none of this version"))?
        {
            *size = input.number()?.into();
        }
        let geometry = geometry_of(sizes).ok_or(TokenError::Malformed("a size is out of range"))?;
        let habits = input.number()?;
        let memory = if habits & TSO != 0 { Memory::Tso } else { Memory::Sc };
        let tlb = match habits & SPECULATIVE {
            0 => TlbRefill::OnAccess,
            _ => TlbRefill::Speculative,
        };
        if habits & !(TSO | SPECULATIVE) != 0 {
            return Err(TokenError::Malformed("memory does what this version does not know"));
        }
        let program = Program::parse(input.text()?)?;
        let scenario = Scenario { program, era, rules, geometry, memory, tlb, without };
        scenario.validate()?;
        let schedule =
            Schedule::from_bytes(input.0).map_err(|bad| TokenError::Schedule(bad.to_string()))?;
        let drainers = if memory == Memory::Tso { scenario.roles().len() } else { 0 };
        let tasks = scenario.roles().len() + drainers;
        let stray = schedule.departures().iter().find(|to| usize::from(to.task.0) >= tasks);
        match stray {
            Some(departure) => Err(TokenError::Task(departure.task.0, tasks)),
            None => Ok(Self { scenario, schedule }),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND}{FORMAT}:{}", URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(word: &str) -> Result<Self, TokenError> {
        let word = word.trim();
        let (head, letters) = word.split_once(':').ok_or(TokenError::NotAToken)?;
        match head.strip_prefix(KIND) {
            Some(FORMAT) => {}
            Some(old) if BY_PLACE.contains(&old) => return Err(TokenError::Old(old.to_owned())),
            Some(other) if !other.is_empty() && other.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(TokenError::Format(other.to_owned()));
            }
            _ => return Err(TokenError::NotAToken),
        }
        let bytes = URL_SAFE_NO_PAD.decode(letters).map_err(|error| match error {
            DecodeError::InvalidByte(at, _) => TokenError::Letter(head.len() + 1 + at),
            // The last letter of a whole token leaves no bits over.
            _ => TokenError::Short,
        })?;
        Self::from_bytes(&bytes)
    }
}

/// A geometry in numbers.
fn numbers_of(geometry: &Geometry) -> [u64; Geometry::SIZES] {
    geometry.sizes().map(|(_, size)| size)
}

/// None: a number is too large for its size. What the sizes may be is for the scenario to say.
fn geometry_of(sizes: [u64; Geometry::SIZES]) -> Option<Geometry> {
    let mut geometry = Geometry::SMALL;
    for ((name, _), size) in geometry.sizes().into_iter().zip(sizes) {
        geometry.set(name, size).ok()?;
    }
    Some(geometry)
}

/// LEB128.
fn put_number(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len());
    out.extend(text.as_bytes());
}

/// What has not been read yet. The checksum fits, so what is wrong from here on was written that way.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn number(&mut self) -> Result<u32, TokenError> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(TokenError::Short)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let too_large = |_| TokenError::Malformed("a number is too large");
                return u32::try_from(value).map_err(too_large);
            }
        }
        Err(TokenError::Malformed("a number is too large"))
    }

    fn text(&mut self) -> Result<&'a str, TokenError> {
        let bytes = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(bytes).ok_or(TokenError::Short)?;
        self.0 = rest;
        let text = std::str::from_utf8(text).map_err(|_| TokenError::Malformed("no UTF-8"))?;
        // Messages quote it, and a terminal would obey.
        match text.contains(|c: char| c.is_control() && c != '\n') {
            true => Err(TokenError::Malformed("a text has control characters")),
            false => Ok(text),
        }
    }

    /// A text of one line.
    fn name(&mut self) -> Result<&'a str, TokenError> {
        let name = self.text()?;
        match name.contains('\n') {
            true => Err(TokenError::Malformed("a name has control characters")),
            false => Ok(name),
        }
    }
}
