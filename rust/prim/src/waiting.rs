//! What a wait is: of which kind, for what, how deep, and how it can fail.

use core::fmt;

/// A kind of wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitClass {
    /// For reports.
    pub name: &'static str,
    pub ends: Ends,
}

/// With what a wait ends: for whoever asks who could end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// What is waited for holds; whoever knows the class knows who can do that.
    WithEvent,
    /// Those who are inside sections have left them. Nobody notes who they are.
    WithSections,
    /// The lock is given back. Its place in the order: [`LockClass::rank`](crate::LockClass::rank).
    WithLock { rank: u8 },
}

impl WaitClass {
    /// A wait for something to hold.
    #[must_use]
    pub const fn event(name: &'static str) -> Self {
        Self { name, ends: Ends::WithEvent }
    }

    /// A wait for sections to end.
    #[must_use]
    pub const fn sections(name: &'static str) -> Self {
        Self { name, ends: Ends::WithSections }
    }
}

impl fmt::Display for WaitClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a task waits for, for reports.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub class: &'static WaitClass,
    /// Pfn, inode number, address: whatever the class says.
    pub object: u64,
    /// Who holds it: [`Cpu::owner_word`](crate::Cpu::owner_word), or 0 if nobody knows.
    pub owner: u32,
}

/// `TASK_INTERRUPTIBLE` or `TASK_UNINTERRUPTIBLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleep {
    /// A signal, or the lease's deadline, ends the sleep with [`Interrupted`].
    Interruptible,
    /// Only a wake-up does; the deadline poisons the machine.
    Uninterruptible,
}

/// `-ERESTARTSYS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;
