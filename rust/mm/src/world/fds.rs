//! The table of file descriptors of a process (`fs/file.c`).
//!
//! One table for files and for both ends of pipes, indexed by the kernel's number: the lowest free one, from 3 on, for
//! everybody is born with 0 to 2. What decides the order in which an exit closes is this number.
//!
//! A program gives names of its own, to files and to pipes apart, as recordings do. A name stands for the number that
//! its file, or each end of its pipe, was opened at. It is a variable of the program: when `dupto` puts something else
//! at that number, the name stands for that. A closed name stands for nothing.

use prim::plain;
use program::Errno;
use program::op::{FD_NUMBERS, FdNo, HANDLES_MAX, PipeNo};

/// Handles of one kind a process has.
pub(super) const HANDLES: usize = HANDLES_MAX as usize;
const NUMBERS: usize = FD_NUMBERS as usize;
/// Standard input, output and error, which nothing here is about.
const BORN_WITH: usize = 3;

/// An end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Read,
    Write,
}

/// What a descriptor refers to: a `struct file`, by where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// An open file.
    File(u32),
    /// The slow block device: nothing behind it needs a lifetime.
    SlowBlock,
    /// The mirror device, whose driver is not unloaded meanwhile.
    Mirror,
    /// An end of a pipe.
    Pipe(u32, End),
}

plain! {
    /// A place of the table. 0 is closed; else bits 0 to 2 say what is open (1 a file, 2 the slow block device, 3 and 4
    /// the ends of a pipe to read from and to write to, 5 the mirror device), bits 3 to 31 where it is kept.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Slot {
        word: u32,
    }
}

impl Slot {
    pub(super) const CLOSED: Self = Self { word: 0 };
    const KIND: u32 = 0b111;
    const SHIFT: u32 = Self::KIND.count_ones();

    pub(super) fn of(open: Open) -> Self {
        let (kind, index) = match open {
            Open::File(file) => (1, file),
            Open::SlowBlock => (2, 0),
            Open::Pipe(pipe, End::Read) => (3, pipe),
            Open::Pipe(pipe, End::Write) => (4, pipe),
            Open::Mirror => (5, 0),
        };
        Self { word: index << Self::SHIFT | kind }
    }

    pub(super) fn open(self) -> Option<Open> {
        let index = self.word >> Self::SHIFT;
        match self.word & Self::KIND {
            1 => Some(Open::File(index)),
            2 => Some(Open::SlowBlock),
            3 => Some(Open::Pipe(index, End::Read)),
            4 => Some(Open::Pipe(index, End::Write)),
            5 => Some(Open::Mirror),
            _ => None,
        }
    }
}

plain! {
    /// What a program's name stands for: a number + 1; 0 is nothing.
    #[derive(Clone, Copy, Debug)]
    struct Name {
        word: u16,
    }
}

impl Name {
    const NOTHING: Self = Self { word: 0 };

    fn of(number: usize) -> Self {
        Self { word: number as u16 + 1 }
    }

    fn number(self) -> Option<usize> {
        self.word.checked_sub(1).map(usize::from)
    }
}

plain! {
    /// A name for a pipe.
    #[derive(Clone, Copy, Debug)]
    struct PipeName {
        read: Name,
        write: Name,
    }
}

plain! {
    /// The table, and the names for what is in it.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Fds {
        slots: [Slot; NUMBERS],
        files: [Name; HANDLES],
        pipes: [PipeName; HANDLES],
    }
}

impl Fds {
    pub(super) const NONE: Self = Self {
        slots: [Slot::CLOSED; NUMBERS],
        files: [Name::NOTHING; HANDLES],
        pipes: [PipeName { read: Name::NOTHING, write: Name::NOTHING }; HANDLES],
    };

    /// Everything open, lowest number first.
    pub(super) fn all(&self) -> impl Iterator<Item = Open> + '_ {
        self.slots.iter().filter_map(|slot| slot.open())
    }

    /// What a file's name stands for.
    pub(super) fn file(&self, name: FdNo) -> Option<Open> {
        self.number_of(name).and_then(|number| self.slots[number].open())
    }

    /// The pipe that can be read from, or written to, under a name.
    pub(super) fn pipe(&self, name: PipeNo, end: End) -> Option<u32> {
        let name = self.pipes.get(name.index())?;
        let number = match end {
            End::Read => name.read,
            End::Write => name.write,
        };
        match self.slots[number.number()?].open()? {
            Open::Pipe(pipe, is) if is == end => Some(pipe),
            Open::Pipe(..) | Open::File(_) | Open::SlowBlock | Open::Mirror => None,
        }
    }

    /// Opens something under a name. One that is in use keeps its number, as in `dup2`, and what it stood for is
    /// handed back.
    pub(super) fn open(&mut self, name: FdNo, new: Open) -> Result<Option<Open>, Errno> {
        let known = self.number_of(name).filter(|number| self.slots[*number].open().is_some());
        let number = known.map_or_else(|| self.lowest_free(), Ok)?;
        *self.files.get_mut(name.index()).ok_or(Errno::EMFILE)? = Name::of(number);
        Ok(self.put_at(number, new))
    }

    /// Opens both ends of a pipe, the one to read from first.
    pub(super) fn open_pipe(&mut self, name: PipeNo, pipe: u32) -> Result<(), Errno> {
        if self.pipes.get(name.index()).ok_or(Errno::EMFILE)?.read.number().is_some() {
            return Err(Errno::EBUSY);
        }
        let read = self.lowest_free()?;
        self.slots[read] = Slot::of(Open::Pipe(pipe, End::Read));
        let write = self.lowest_free().inspect_err(|_| self.slots[read] = Slot::CLOSED)?;
        self.slots[write] = Slot::of(Open::Pipe(pipe, End::Write));
        self.pipes[name.index()] = PipeName { read: Name::of(read), write: Name::of(write) };
        Ok(())
    }

    /// Takes away what a name stands for, and the name.
    pub(super) fn close(&mut self, name: FdNo) -> Option<Open> {
        let number = self.number_of(name)?;
        self.files[name.index()] = Name::NOTHING;
        core::mem::replace(&mut self.slots[number], Slot::CLOSED).open()
    }

    /// Gives what a name stands for another number. What was there is handed back.
    pub(super) fn renumber(&mut self, name: FdNo, number: u8) -> Result<Option<Open>, Errno> {
        let (from, to) = (self.number_of(name).ok_or(Errno::EBADF)?, usize::from(number));
        let moved = self.slots[from].open().ok_or(Errno::EBADF)?;
        if from == to {
            return Ok(None);
        }
        self.slots[from] = Slot::CLOSED;
        self.files[name.index()] = Name::of(to);
        Ok(self.put_at(to, moved))
    }

    fn number_of(&self, name: FdNo) -> Option<usize> {
        self.files.get(name.index())?.number()
    }

    fn lowest_free(&self) -> Result<usize, Errno> {
        let free = (BORN_WITH..NUMBERS).find(|number| self.slots[*number].open().is_none());
        free.ok_or(Errno::EMFILE)
    }

    fn put_at(&mut self, number: usize, new: Open) -> Option<Open> {
        core::mem::replace(&mut self.slots[number], Slot::of(new)).open()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn a_place_says_what_was_put_there() {
        let top = u32::MAX >> Slot::SHIFT;
        let pipes = [End::Read, End::Write].map(|end| Open::Pipe(top, end));
        for open in
            [Open::File(0), Open::File(top), Open::SlowBlock, Open::Mirror].into_iter().chain(pipes)
        {
            assert_eq!(Slot::of(open).open(), Some(open));
        }
        assert_eq!(Slot::CLOSED.open(), None);
    }

    #[test]
    fn numbers_are_the_lowest_free_ones_and_a_pipe_has_two() {
        let mut fds = Fds::NONE;
        let all = |fds: &Fds| {
            let open = |at: usize| fds.slots[at].open().map(|open| (at, open));
            (0..NUMBERS).filter_map(open).collect::<Vec<_>>()
        };
        assert_eq!(fds.open(FdNo(7), Open::File(1)), Ok(None));
        assert_eq!(fds.open_pipe(PipeNo(7), 0), Ok(()));
        assert_eq!(fds.open(FdNo(0), Open::File(2)), Ok(None));
        assert_eq!(fds.close(FdNo(7)), Some(Open::File(1)));
        assert_eq!(fds.open_pipe(PipeNo(0), 9), Ok(()));
        let (read, write) =
            (|pipe| Open::Pipe(pipe, End::Read), |pipe| Open::Pipe(pipe, End::Write));
        let expected =
            [(3, read(9)), (4, read(0)), (5, write(0)), (6, Open::File(2)), (7, write(9))];
        assert_eq!(all(&fds), expected);
        assert_eq!(fds.open_pipe(PipeNo(0), 1), Err(Errno::EBUSY));
        assert_eq!(fds.close(FdNo(7)), None, "the name went with the descriptor");
    }

    #[test]
    fn what_is_renumbered_keeps_its_name_and_takes_a_place_from_what_was_there() {
        let mut fds = Fds::NONE;
        fds.open(FdNo(0), Open::File(0)).expect("room");
        fds.open_pipe(PipeNo(0), 5).expect("room");
        assert_eq!(fds.renumber(FdNo(0), 200), Ok(None));
        assert_eq!(
            (fds.file(FdNo(0)), fds.all().last()),
            (Some(Open::File(0)), Some(Open::File(0)))
        );
        assert_eq!(
            fds.renumber(FdNo(0), 200),
            Ok(None),
            "nothing is lost when it is there already"
        );
        assert_eq!(fds.renumber(FdNo(0), 4), Ok(Some(Open::Pipe(5, End::Read))));
        assert_eq!(fds.pipe(PipeNo(0), End::Read), None, "a file is there now");
        assert_eq!(fds.pipe(PipeNo(0), End::Write), Some(5));
        assert_eq!(fds.renumber(FdNo(1), 4), Err(Errno::EBADF));
    }

    #[test]
    fn a_name_in_use_keeps_its_number() {
        let mut fds = Fds::NONE;
        fds.open(FdNo(0), Open::File(0)).expect("room");
        fds.open(FdNo(1), Open::File(1)).expect("room");
        assert_eq!(fds.open(FdNo(0), Open::SlowBlock), Ok(Some(Open::File(0))));
        assert_eq!(fds.all().collect::<Vec<_>>(), [Open::SlowBlock, Open::File(1)]);
    }

    #[test]
    fn whatever_can_be_named_has_a_number() {
        let mut fds = Fds::NONE;
        for at in 0..HANDLES as u8 {
            assert_eq!(fds.open(FdNo(at), Open::SlowBlock), Ok(None));
            assert_eq!(fds.open_pipe(PipeNo(at), 0), Ok(()));
        }
        assert_eq!(fds.open(FdNo(HANDLES as u8), Open::SlowBlock), Err(Errno::EMFILE));
        assert_eq!(fds.open_pipe(PipeNo(HANDLES as u8), 0), Err(Errno::EMFILE));
        assert_eq!(fds.all().count(), 3 * HANDLES);
    }
}
