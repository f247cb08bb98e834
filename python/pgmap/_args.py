"""The values a command line can carry: durations, seeds, counts, rules.

Each parser either returns a value or raises `argparse.ArgumentTypeError` with a sentence that says
what was expected.
"""

from __future__ import annotations

import re
import secrets
from argparse import (
    SUPPRESS,
    Action,
    ArgumentError,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    _ArgumentGroup,
)
from collections.abc import Callable
from typing import Any

from pgmap._options import ExploreOptions, SearchOptions

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_PLAIN = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_LONGEST = 365 * 24 * 3600.0
SEED_LIMIT = 1 << 64
THREADS_MAX = 64


def duration(text: str) -> float:
    """Seconds from ``30s``, ``5m``, ``1h30m``, ``500ms`` or a plain number of seconds."""
    if _PLAIN.fullmatch(text):
        seconds = float(text)
    elif _DURATION.sub("", text) == "" and text:
        seconds = sum(float(n) * _UNITS[unit] for n, unit in _DURATION.findall(text))
    else:
        raise ArgumentTypeError(f"{text!r} is not a duration: write 30s, 5m, 1h30m or 500ms")
    if not 0 < seconds <= _LONGEST:
        raise ArgumentTypeError(f"{text!r} must be more than nothing and at most a year")
    return seconds


def integer(text: str) -> int:
    """An integer, decimal or with a 0x, 0o or 0b prefix."""
    try:
        return int(text, 0)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an integer") from None


def seed(text: str) -> int:
    """An unsigned 64-bit seed, usually written in hexadecimal."""
    value = integer(text)
    if not 0 <= value < SEED_LIMIT:
        raise ArgumentTypeError(f"{text!r} is not an unsigned 64-bit number")
    return value


def fresh_seed() -> int:
    """A seed nobody chose."""
    return secrets.randbelow(SEED_LIMIT)


def show_seed(value: int) -> str:
    """The one way a seed is printed."""
    return f"0x{value:016x}"


def count(low: int, high: int) -> Callable[[str], int]:
    """A parser for integers from `low` to `high`."""

    def parse(text: str) -> int:
        value = integer(text)
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is not between {low} and {high}")
        return value

    return parse


def rule(text: str) -> tuple[str, str]:
    """A ``RULE=VALUE`` pair. Whether the rule exists is for the core to say."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ArgumentTypeError(f"{text!r} is not RULE=VALUE, such as gup-pte-recheck=off")
    return name, value


class EachRuleOnce(Action):
    """Collect ``RULE=VALUE`` pairs; of two values for one rule neither is what was asked for."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add a pair, if its rule has none yet."""
        before: list[tuple[str, str]] = getattr(namespace, self.dest)
        if values[0] in dict(before):
            raise ArgumentError(self, f"{values[0]} is given twice")
        setattr(namespace, self.dest, [*before, values])


def add_known(group: _ArgumentGroup) -> None:
    """``--known``: what becomes of races that the era is known to have."""
    group.add_argument(
        "--known",
        action="store_true",
        help="races that the era is known to have are findings, too (default: they are counted, "
        "listed and passed over)",
    )


def add_rules(group: _ArgumentGroup) -> None:
    """Add the options that choose the rules of the machine: ``--era`` and ``--break``."""
    group.add_argument(
        "--era",
        default=SearchOptions.era,
        help=f"whose rules (default {SearchOptions.era}; an unknown name lists them)",
    )
    add_breaks(group)


def add_breaks(group: _ArgumentGroup) -> None:
    """Add the option that changes single rules: ``--break``."""
    group.add_argument(
        "--break",
        dest="breaks",
        action=EachRuleOnce,
        default=[],
        type=rule,
        metavar="RULE=VALUE",
        help="change one rule; may be repeated (an unknown name lists them)",
    )


def add_without(group: _ArgumentGroup) -> None:
    """Add the option that leaves a step of the protocol out: ``--without``."""
    group.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="STEP@FUNCTION",
        help="leave out one step of the protocol, such as wake_up_one-slot@dax_unlock_entry; "
        "may be repeated (python -m pgmap.ablate --list names them)",
    )


def add_geometry(group: _ArgumentGroup) -> None:
    """Add the option that chooses the sizes of the machine: ``--geometry``."""
    group.add_argument(
        "--geometry",
        type=sizes,
        default={},
        metavar="SIZE=N,...",
        help="sizes of the machine, such as pages=32,pmd_order=3 (default: fit the program)",
    )


def sizes(text: str) -> dict[str, int]:
    """``pages=32,pmd_order=3``; whether a size exists is for the core to say."""
    pairs: dict[str, int] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not (name and equals and value):
            raise ArgumentTypeError(f"{part!r} is not SIZE=N, such as pages=32")
        if name in pairs:
            raise ArgumentTypeError(f"{name} is given twice")
        pairs[name] = integer(value)
    return pairs


def add_strategy(group: _ArgumentGroup) -> None:
    """Add the options that choose how executions are drawn: ``--strategy`` and ``--seed``."""
    group.add_argument(
        "--strategy",
        default=SUPPRESS,
        metavar="NAME",
        help=f"{ExploreOptions.strategy} (default): the bounds, then executions drawn at random "
        "beyond them; bounds: nothing beyond; random, pct[:DEPTH], pos, urw, surw: "
        "draw only, by this one",
    )
    group.add_argument(
        "--seed",
        type=seed,
        default=SUPPRESS,
        metavar="N",
        help=f"what is drawn (default {show_seed(ExploreOptions.seed)}): executions, or programs "
        "of a hunt; the same seed draws the same",
    )


def add_threads(group: _ArgumentGroup) -> None:
    """Add ``--threads`` to a search; what it finds does not depend on them."""
    group.add_argument(
        "--threads",
        type=count(1, THREADS_MAX),
        default=SUPPRESS,
        metavar="N",
        help="OS threads that search, draw, or hunt (default: one for each processor); "
        "any number finds the same",
    )


def show_seconds(seconds: float) -> str:
    """A duration for people: ``12.3s``, ``4m05s``, ``1h02m``."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m"


def show_count(n: float) -> str:
    """A large count for people: ``999``, ``28.9M``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if n >= limit:
            scale = 1e3 if unit == "k" else limit
            return f"{n / scale:.1f}{unit}"
    return f"{n:.0f}"
