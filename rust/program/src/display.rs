//! Programs and operations as text: exactly what [`Program::parse`](crate::Program::parse) reads back.

use std::fmt;

use crate::expect::{Condition, ENVIRONMENT, Expectation};
use crate::op::{Layout, Names, Op};
use crate::program::{Issue, Program, Step};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            write!(f, "file {} {} {}", file.name, file.pages, file.state.word())?;
            match file.layout {
                Layout::Contiguous => writeln!(f)?,
                Layout::Huge => writeln!(f, " {}", file.layout.word())?,
            }
        }
        for driver in &self.drivers {
            writeln!(f, "{driver}")?;
        }
        for step in &self.steps {
            if let Some(label) = &step.label {
                write!(f, "{label}: ")?;
            }
            writeln!(f, "{}", self.step_text(step))?;
        }
        for it in &self.expectations {
            writeln!(f, "{}", self.expectation_text(it))?;
        }
        Ok(())
    }
}

impl Program {
    /// One step as text, with the names of this program: `w1 ftruncate f 0 &`.
    #[must_use]
    pub fn step_text<'a>(&'a self, step: &'a Step) -> impl fmt::Display + 'a {
        StepText { program: self, step }
    }

    /// One operation as text, with the names of this program: `ftruncate f 0`.
    #[must_use]
    pub fn op_text<'a>(&'a self, op: &'a Op) -> impl fmt::Display + 'a {
        OpText { op, program: Some(self) }
    }
}

/// Without a program at hand, files print by number (`@0`): for messages, not for reading back.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OpText { op: self, program: None }.fmt(f)
    }
}

struct StepText<'a> {
    program: &'a Program,
    step: &'a Step,
}

impl fmt::Display for StepText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(who) = self.step.who {
            write!(f, "{who} ")?;
        }
        write!(f, "{}", self.program.op_text(&self.step.op))?;
        match self.step.issue {
            Issue::Wait => Ok(()),
            Issue::Async => f.write_str(" &"),
        }
    }
}

struct OpText<'a> {
    op: &'a Op,
    program: Option<&'a Program>,
}

impl fmt::Display for OpText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.op.write(f, Names(self.program))
    }
}

impl Program {
    /// What the step with this number is called in an expectation: by its label, or `w0.2`. None: it is set-up, or
    /// no step.
    #[must_use]
    pub fn step_name(&self, n: u32) -> Option<String> {
        let after = self.halves().1;
        let step = after.iter().find(|step| step.n == n)?;
        if step.label.is_some() {
            return step.label.clone();
        }
        let place = after.iter().filter(|other| other.who == step.who).position(|it| it.n == n)?;
        let who = step.who.map_or_else(|| ENVIRONMENT.to_owned(), |who| who.to_string());
        Some(format!("{who}.{}", place + 1))
    }

    /// An expectation as text.
    #[must_use]
    pub fn expectation_text<'a>(&'a self, it: &'a Expectation) -> impl fmt::Display + 'a {
        Line { program: self, it }
    }
}

struct Line<'a> {
    program: &'a Program,
    it: &'a Expectation,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.it.demand.word())?;
        self.condition(f, &self.it.condition)
    }
}

impl Line<'_> {
    fn condition(&self, f: &mut fmt::Formatter<'_>, condition: &Condition) -> fmt::Result {
        match condition {
            Condition::Any(list) => {
                self.list(f, list, " or ", |inner| matches!(inner, Condition::Any(_)))
            }
            Condition::All(list) => self.list(f, list, " and ", |inner| {
                matches!(inner, Condition::Any(_) | Condition::All(_))
            }),
            Condition::Not(other) => {
                f.write_str("not ")?;
                let list = matches!(**other, Condition::Any(_) | Condition::All(_));
                self.within(f, other, list)
            }
            Condition::Step { n, is, wanted } => {
                let name = self.program.step_name(*n).unwrap_or_else(|| format!("step{n}"));
                write!(f, "{name} {} {wanted}", is.sign())
            }
        }
    }

    fn list(
        &self,
        f: &mut fmt::Formatter<'_>,
        list: &[Condition],
        between: &str,
        needs_brackets: impl Fn(&Condition) -> bool,
    ) -> fmt::Result {
        for (nth, each) in list.iter().enumerate() {
            if nth > 0 {
                f.write_str(between)?;
            }
            self.within(f, each, needs_brackets(each))?;
        }
        Ok(())
    }

    fn within(&self, f: &mut fmt::Formatter<'_>, inner: &Condition, brackets: bool) -> fmt::Result {
        if !brackets {
            return self.condition(f, inner);
        }
        f.write_str("(")?;
        self.condition(f, inner)?;
        f.write_str(")")
    }
}
