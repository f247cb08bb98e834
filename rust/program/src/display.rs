//! Programs and operations as text: exactly what [`Program::parse`](crate::Program::parse) reads back.

use std::fmt;

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
