"""How a command ends: one number for each outcome, the same for every command."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes. `meaning` is what the help says."""

    OK = 0
    FOUND = 1
    USAGE = 2
    UNSUPPORTED = 3
    HANG = 4
    NOTHING_RAN = 5
    INCONCLUSIVE = 6
    INTERNAL = 70
    REPLAY_IMPOSSIBLE = 125
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """What the number says, in half a line."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "nothing found, everything that was asked for was done",
    Exit.FOUND: "a violation, a deadlock, a difference or a missed limit was found",
    Exit.USAGE: "the command line or an input file makes no sense",
    Exit.UNSUPPORTED: "not runnable here, or not supported yet (the output says what)",
    Exit.HANG: "a wait that never ends, proven with nobody running",
    Exit.NOTHING_RAN: "nothing was tested: nothing ran, or workers with nothing in common",
    Exit.INCONCLUSIVE: "the search proves nothing (the output says why)",
    Exit.INTERNAL: "a bug in pgmap itself",
    Exit.REPLAY_IMPOSSIBLE: "cannot be replayed here: another version or schema, or it diverges",
    Exit.INTERRUPTED: "interrupted (SIGINT); the results are partial",
    Exit.TERMINATED: "terminated (SIGTERM); the results are partial",
}

# From the most serious down. A finding wins over a hang and over an interruption; a bug in pgmap
# puts every other answer in doubt.
_SERIOUSNESS = (
    Exit.INTERNAL,
    Exit.FOUND,
    Exit.HANG,
    Exit.INCONCLUSIVE,
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
