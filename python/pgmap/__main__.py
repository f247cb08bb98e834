"""``python -m pgmap``: lists the commands, and runs the one that is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches

import pgmap
from pgmap._cli import Command, run_command
from pgmap._exit import Exit, table
from pgmap._explore import Explore
from pgmap._output import Output
from pgmap._replay import Replay
from pgmap.ablate import Ablate
from pgmap.bench import Bench
from pgmap.conform import Conform
from pgmap.explain import Explain
from pgmap.races import Races
from pgmap.rules import Rules
from pgmap.run import Run
from pgmap.selftest import Selftest
from pgmap.stress import Stress

COMMANDS: tuple[Command, ...] = (
    Stress(),
    Explore(),
    Run(),
    Replay(),
    Selftest(),
    Conform(),
    Bench(),
    Explain(),
    Rules(),
    Races(),
    Ablate(),
)


def overview() -> str:
    """What there is."""
    width = max(len(command.name) for command in COMMANDS)
    lines = "\n".join(f"  {c.name:{width}}  {c.summary}" for c in COMMANDS)
    return (
        f"pgmap {pgmap.__version__}: a race laboratory for the lifetime of ZONE_DEVICE pages\n\n"
        f"usage: python -m pgmap COMMAND ...\n\ncommands:\n{lines}\n\n"
        "python -m pgmap COMMAND --help says more, with examples.\n\n"
        f"exit codes:\n{table()}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Dispatch; returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    out = Output(json_to=None)
    match words:
        case [] | ["-h" | "--help" | "help", *_]:
            out.result(overview())
            return int(Exit.OK)
        case ["--version", *_]:
            out.result(f"pgmap {pgmap.__version__}")
            return int(Exit.OK)
        case [name, *rest]:
            for command in COMMANDS:
                if command.name == name:
                    return run_command(command, rest)
            near = get_close_matches(name, [command.name for command in COMMANDS], n=1)
            hint = f"did you mean {near[0]}?" if near else "python -m pgmap lists the commands"
            out.note(f"pgmap: no command {name!r}; {hint}")
            return int(Exit.USAGE)
    raise AssertionError("unreachable: every list of words matches above")


if __name__ == "__main__":
    sys.exit(main())
