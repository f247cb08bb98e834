"""Everything pgmap raises, named for what happened.

All are `PgmapError`. Where the emulated kernel returned an errno the exception is a `KernelError`:
an `OSError` too, so ``except OSError as e: e.errno`` works as it does against a real kernel.
The compiled core builds them by `kernel_error(errno, message)`, so the errno table is written once,
here. A wait that never ends is `Stuck`, which is no errno: no kernel has a deadline.

Each prints as it is made, so ``repr`` can be pasted, and pickles.

An `InternalError` is a bug in pgmap itself, never of its user.
"""

from __future__ import annotations

import errno as _errno
import os
import signal as _signal
from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "BadAddress",
    "BadFileDescriptor",
    "BusError",
    "Busy",
    "DeadlineExceeded",
    "DoesNotHold",
    "EraError",
    "Exists",
    "FatalSignal",
    "HangDetected",
    "InputOutputError",
    "InternalError",
    "Interrupted",
    "InvalidArgument",
    "KernelError",
    "NoMemory",
    "NoSpace",
    "NoSuchDevice",
    "NoSuchFile",
    "NoSuchProcess",
    "NotSupportedByKernel",
    "OutOfRange",
    "Overflow",
    "PermissionRefused",
    "PgmapError",
    "ProgramError",
    "RaceError",
    "RecordingError",
    "ReplayImpossible",
    "RuleError",
    "ScenarioError",
    "SegmentationFault",
    "Stuck",
    "TokenError",
    "TooManyOpenFiles",
    "UnsupportedProgram",
    "WorldClosed",
    "WorldPoisoned",
    "WouldBlock",
    "kernel_error",
]


class PgmapError(Exception):
    """The base of everything pgmap raises."""

    def _given(self) -> tuple[Any, ...]:
        """What it is made of: the arguments that make another like it."""
        return self.args

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._given()))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._given(), vars(self)


# --- what the emulated kernel answers ------------------------------------------------------------


class KernelError(PgmapError, OSError):
    """An operation that the emulated kernel refused, with the errno it refused with."""

    errno: int
    strerror: str
    usual_errno: ClassVar[int | None] = None

    def __init__(self, message: str = "", errno: int | None = None) -> None:
        number = self.usual_errno if errno is None else errno
        if number is None:
            raise TypeError(f"{type(self).__name__} needs an errno")
        super().__init__(number, message or os.strerror(number))

    @property
    def name(self) -> str:
        """The errno's symbol, such as ``EBUSY``."""
        if self.errno == _errno.EOPNOTSUPP:  # errorcode has glibc's other name for it
            return "EOPNOTSUPP"
        return _errno.errorcode.get(self.errno, f"errno {self.errno}")

    def __str__(self) -> str:
        return f"{self.name}: {self.strerror}"

    def _given(self) -> tuple[Any, ...]:
        usual = self.errno == self.usual_errno
        return (self.strerror,) if usual else (self.strerror, self.errno)


class PermissionRefused(KernelError):
    """EPERM or EACCES: not allowed, such as a writable mapping of a file opened for reading."""

    usual_errno: ClassVar[int | None] = _errno.EPERM


class NoSuchFile(KernelError):
    """ENOENT: no file of that name."""

    usual_errno: ClassVar[int | None] = _errno.ENOENT


class NoSuchProcess(KernelError):
    """ESRCH: that worker does not run."""

    usual_errno: ClassVar[int | None] = _errno.ESRCH


class Interrupted(KernelError):
    """EINTR: a signal ended an interruptible wait. A deadline is none: see `DeadlineExceeded`."""

    usual_errno: ClassVar[int | None] = _errno.EINTR


class InputOutputError(KernelError):
    """EIO: the device failed, or the page behind it is gone."""

    usual_errno: ClassVar[int | None] = _errno.EIO


class BadFileDescriptor(KernelError):
    """EBADF: not an open descriptor, or not open for this."""

    usual_errno: ClassVar[int | None] = _errno.EBADF


class WouldBlock(KernelError):
    """EAGAIN: it would have to wait, and was told not to."""

    usual_errno: ClassVar[int | None] = _errno.EAGAIN


class NoMemory(KernelError):
    """ENOMEM: no memory for the operation's own bookkeeping."""

    usual_errno: ClassVar[int | None] = _errno.ENOMEM


class BadAddress(KernelError):
    """EFAULT: no mapping there, or not one that allows this access."""

    usual_errno: ClassVar[int | None] = _errno.EFAULT


class Busy(KernelError):
    """EBUSY: somebody still holds a reference, a mapping or a mount."""

    usual_errno: ClassVar[int | None] = _errno.EBUSY


class Exists(KernelError):
    """EEXIST: that name or range is already taken."""

    usual_errno: ClassVar[int | None] = _errno.EEXIST


class NoSuchDevice(KernelError):
    """ENODEV or ENXIO: the device is not there, or is going away."""

    usual_errno: ClassVar[int | None] = _errno.ENODEV


class InvalidArgument(KernelError):
    """EINVAL: the arguments make no sense to the kernel."""

    usual_errno: ClassVar[int | None] = _errno.EINVAL


class OutOfRange(InvalidArgument, ValueError):
    """EINVAL because a number lies outside what it may be, or an index outside its object."""


class TooManyOpenFiles(KernelError):
    """EMFILE: the process has no descriptor left."""

    usual_errno: ClassVar[int | None] = _errno.EMFILE


class NoSpace(KernelError):
    """ENOSPC: the file system has no free block."""

    usual_errno: ClassVar[int | None] = _errno.ENOSPC


class Overflow(KernelError):
    """EOVERFLOW: a count or an offset does not fit."""

    usual_errno: ClassVar[int | None] = _errno.EOVERFLOW


class NotSupportedByKernel(KernelError):
    """EOPNOTSUPP: this kernel does not do that, such as a long-term pin of an fsdax page."""

    usual_errno: ClassVar[int | None] = _errno.EOPNOTSUPP


# The classes with an errno of their own are exactly the direct children: OutOfRange is a kind of
# EINVAL that only Python-side checks can tell apart.
_BY_ERRNO: dict[int | None, type[KernelError]] = {
    _errno.ENXIO: NoSuchDevice,
    _errno.EACCES: PermissionRefused,
    **{cls.usual_errno: cls for cls in KernelError.__subclasses__()},
}


def kernel_error(errno: int, message: str = "") -> KernelError:
    """Return the exception that is named for `errno` (its positive number), ready to raise."""
    return _BY_ERRNO.get(errno, KernelError)(message, errno)


class FatalSignal(PgmapError):
    """An emulated memory access that would have killed the process."""

    signal: ClassVar[_signal.Signals]


class BusError(FatalSignal):
    """SIGBUS: the page lies beyond the end of the file, or could not be provided."""

    signal = _signal.SIGBUS


class SegmentationFault(FatalSignal):
    """SIGSEGV: nothing is mapped there, or not with that permission."""

    signal = _signal.SIGSEGV


# --- what became of a world ----------------------------------------------------------------------


class Stuck(PgmapError):
    """A wait that did not end: who waits for what, and who holds it."""

    def __init__(
        self, message: str, waiters: Sequence[str] = (), holders: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.waiters: tuple[str, ...] = tuple(waiters)
        self.holders: tuple[str, ...] = tuple(holders)

    def __str__(self) -> str:
        return "; ".join(
            [
                str(self.args[0]),
                *(f"waiting: {w}" for w in self.waiters),
                *(f"holding: {h}" for h in self.holders),
            ]
        )

    def _given(self) -> tuple[Any, ...]:
        return self.args[0], self.waiters, self.holders


class DeadlineExceeded(Stuck, TimeoutError):
    """A wait that a signal could have ended; the call is undone, and the world can be used."""


class HangDetected(Stuck):
    """A wait that no signal ends; the world is poisoned."""


class WorldPoisoned(PgmapError):
    """The world was left in an unknown state by an earlier hang, or belongs to another process."""


class WorldClosed(PgmapError):
    """The world was closed."""


# --- what was wrong with the input ---------------------------------------------------------------


class ProgramError(PgmapError, ValueError):
    """A program that cannot be compiled: the line (from 1) and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason)
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class UnsupportedProgram(ProgramError):
    """A program with a step that this version does not emulate: the line and what is missing."""


class ScenarioError(PgmapError, ValueError):
    """A program, rules and sizes that cannot be explored together."""


class TokenError(PgmapError, ValueError):
    """A word that is no token, or one that was damaged on its way."""


class RecordingError(PgmapError, ValueError):
    """A file that is not a recording, or one whose words this version does not know."""


class RuleError(PgmapError, ValueError):
    """No such rule, or no such value for it."""


class RaceError(PgmapError, ValueError):
    """A file of a race that makes no sense; the message names the file and the key."""


class EraError(PgmapError, ValueError):
    """No such era."""


class DoesNotHold(PgmapError, AssertionError):
    """A verdict that a test does not accept: the report, the token and a test to paste."""

    verdict: object = None
    """The verdict."""


class ReplayImpossible(PgmapError):
    """A token or file from another version or schema, which cannot be replayed here."""


class InternalError(PgmapError, RuntimeError):
    """A bug in pgmap itself. Please report it with the command and the seed."""
