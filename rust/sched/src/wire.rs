//! Schedules as bytes: a version (2 when there are choices that cost, which come last), then LEB128
//! numbers, then eight bytes for each hash.
//!
//! Departures keep the distance from the one before. A byte string is a schedule only if it could
//! have been written by [`Schedule::to_bytes`]: numbers in their shortest form, departures in order
//! and not past the end, nothing left over. Whatever else comes is an error, not a panic.

use crate::schedule::{Departure, Payment, Schedule};
use crate::step::{MOST_TASKS, Task};

const VERSION: u8 = 1;
/// With payments.
const PAID: u8 = 2;

/// Why bytes are not a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSchedule {
    /// The bytes end too early.
    Short,
    /// Bytes are left over.
    Long,
    /// Another version wrote them.
    Version(u8),
    /// A number is too large, or not in its shortest form.
    Number,
    /// A task that no model has.
    Task(u8),
    /// Departures out of order or past the end.
    Order,
    /// Choices that cost out of order, or that cost nothing.
    Payment,
}

impl core::fmt::Display for BadSchedule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BadSchedule::Short => f.write_str("the schedule ends too early"),
            BadSchedule::Long => f.write_str("there are bytes after the end of the schedule"),
            BadSchedule::Version(version) => write!(f, "unknown schedule version {version}"),
            BadSchedule::Number => f.write_str("a number of the schedule is malformed"),
            BadSchedule::Task(task) => write!(f, "the schedule names a task {task}"),
            BadSchedule::Order => f.write_str("the schedule's switches are out of order"),
            BadSchedule::Payment => f.write_str("the schedule's paid choices are malformed"),
        }
    }
}

impl core::error::Error for BadSchedule {}

impl Schedule {
    /// The compact form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![if self.payments.is_empty() { VERSION } else { PAID }];
        number(&mut out, self.events);
        number(&mut out, self.departures.len() as u32);
        let mut last = 0;
        for departure in &self.departures {
            number(&mut out, departure.at.wrapping_sub(last));
            out.push(departure.task.0);
            out.extend_from_slice(&departure.hash.to_le_bytes());
            last = departure.at;
        }
        number(&mut out, self.choices.len() as u32);
        self.choices.iter().for_each(|&choice| number(&mut out, choice));
        if !self.payments.is_empty() {
            number(&mut out, self.payments.len() as u32);
            for payment in &self.payments {
                number(&mut out, payment.nth);
                number(&mut out, payment.value);
            }
        }
        out.extend_from_slice(&self.hash.to_le_bytes());
        out
    }

    /// Reads the compact form.
    ///
    /// # Errors
    ///
    /// When the bytes are not what [`Schedule::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Schedule, BadSchedule> {
        let mut input = Input(bytes);
        let paid = match input.byte()? {
            VERSION => false,
            PAID => true,
            other => return Err(BadSchedule::Version(other)),
        };
        let mut schedule = Schedule { events: input.number()?, ..Schedule::default() };
        let mut last = 0u32;
        for n in 0..input.number()? {
            let step = input.number()?;
            if n > 0 && step == 0 {
                return Err(BadSchedule::Order);
            }
            last = last.checked_add(step).ok_or(BadSchedule::Order)?;
            if last > schedule.events {
                return Err(BadSchedule::Order);
            }
            let task = input.byte()?;
            if usize::from(task) >= MOST_TASKS {
                return Err(BadSchedule::Task(task));
            }
            let hash = input.hash()?;
            schedule.departures.push(Departure { at: last, task: Task(task), hash });
        }
        for _ in 0..input.number()? {
            let choice = input.number()?;
            schedule.choices.push(choice);
        }
        if paid {
            schedule.payments = input.payments()?;
        }
        schedule.hash = input.hash()?;
        if input.0.is_empty() { Ok(schedule) } else { Err(BadSchedule::Long) }
    }
}

fn number(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Result<u8, BadSchedule> {
        let (&first, rest) = self.0.split_first().ok_or(BadSchedule::Short)?;
        self.0 = rest;
        Ok(first)
    }

    fn number(&mut self) -> Result<u32, BadSchedule> {
        let mut value = 0u32;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            let digit = u32::from(byte & 0x7f);
            if shift == 28 && digit > 0xf {
                return Err(BadSchedule::Number);
            }
            value |= digit << shift;
            if byte & 0x80 == 0 {
                let shortest = digit != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(BadSchedule::Number) };
            }
        }
        Err(BadSchedule::Number)
    }

    /// At least one, in ascending order, none of them free.
    fn payments(&mut self) -> Result<Vec<Payment>, BadSchedule> {
        let mut payments: Vec<Payment> = Vec::new();
        for _ in 0..self.number()? {
            let payment = Payment { nth: self.number()?, value: self.number()? };
            let follows = payments.last().is_none_or(|last| last.nth < payment.nth);
            if payment.value == 0 || !follows {
                return Err(BadSchedule::Payment);
            }
            payments.push(payment);
        }
        if payments.is_empty() { Err(BadSchedule::Payment) } else { Ok(payments) }
    }

    fn hash(&mut self) -> Result<u64, BadSchedule> {
        let (first, rest) = self.0.split_first_chunk().ok_or(BadSchedule::Short)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }
}
