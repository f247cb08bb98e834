"""How a command ends: one number for each outcome, the same for every command."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes. `meaning` is what the help says."""

    meaning: str

    OK = 0, "nothing found, everything that was asked for was done"
    FOUND = 1, "a violation, a difference or a missed limit was found"
    USAGE = 2, "the command line or an input file makes no sense"
    UNSUPPORTED = 3, "not runnable here, or not supported yet (the output says what)"
    HANG = 4, "the watchdog found a wait that never ends"
    NOTHING_RAN = 5, "nothing was executed, so nothing was tested"
    INTERNAL = 70, "a bug in pgmap itself"
    REPLAY_IMPOSSIBLE = 125, "the file is from another version or schema"
    INTERRUPTED = 130, "interrupted (SIGINT); the results are partial"
    TERMINATED = 143, "terminated (SIGTERM); the results are partial"

    def __new__(cls, value: int, meaning: str) -> Exit:
        """Make a member that carries its meaning beside its number."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


# From the most serious down. A finding wins over a hang and over an interruption; a bug in pgmap
# puts every other answer in doubt.
_SERIOUSNESS = (
    Exit.INTERNAL,
    Exit.FOUND,
    Exit.HANG,
    Exit.INTERRUPTED,
    Exit.TERMINATED,
    Exit.USAGE,
    Exit.REPLAY_IMPOSSIBLE,
    Exit.UNSUPPORTED,
    Exit.NOTHING_RAN,
    Exit.OK,
)


def worst(codes: Iterable[Exit]) -> Exit:
    """The most serious of `codes`; with none at all, nothing was executed."""
    return min(codes, key=_SERIOUSNESS.index, default=Exit.NOTHING_RAN)


def table() -> str:
    """The exit codes as lines for the help."""
    return "\n".join(f"  {code.value:>3}  {code.meaning}" for code in Exit)
