"""What a stress run is asked to do, and the command that asks for the same again."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass

from pgmap._args import fresh_seed, show_seed

DEFAULT_MIX = "default"
FRACTURE_MIX = "fracture"
"""Of anonymous memory."""
DEFAULT_SECONDS = 10.0


@dataclass(frozen=True)
class Config:
    """One stress run, as the core is told."""

    era: str
    breaks: tuple[tuple[str, str], ...]
    seed: int
    threads: int
    mix: str
    pages: int | None
    seconds: float | None
    ops: int | None
    watchdog: float
    max_failures: int | None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Config:
        """Settle what the command line left open."""
        seconds = args.seconds
        if seconds is None and args.ops is None:
            seconds = DEFAULT_SECONDS
        return cls(
            era=args.era,
            breaks=tuple(args.breaks),
            seed=fresh_seed() if args.seed is None else args.seed,
            threads=args.threads,
            mix=args.mix,
            pages=args.pages,
            seconds=seconds,
            ops=args.ops,
            watchdog=args.watchdog,
            max_failures=None if args.keep_going else args.max_failures,
        )

    def command_line(self) -> str:
        """The command that runs the same op lists again."""
        words = ["python", "-m", "pgmap.stress", "--era", self.era]
        for name, value in self.breaks:
            words += ["--break", f"{name}={value}"]
        words += ["--threads", str(self.threads)]
        if self.mix != DEFAULT_MIX:
            words += ["--mix", self.mix]
        if self.pages is not None:
            words += ["--pages", str(self.pages)]
        if self.seconds is not None:
            words += ["--for", f"{self.seconds:g}s"]
        if self.ops is not None:
            words += ["--ops", str(self.ops)]
        return shlex.join([*words, "--seed", show_seed(self.seed)])
