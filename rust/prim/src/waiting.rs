//! What a wait is: of which kind, for what, how deep, and how it can fail.

/// A kind of wait, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitClass {
    pub name: &'static str,
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
