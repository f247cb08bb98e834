"""How a search goes about: each option once, with what it is if nobody says otherwise.

`pgmap.explore` takes them as keywords, the commands as options of a command line, the core as a
dictionary. What they must be is checked by the core, which says so in a `PgmapError`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn, TypeVar

Rules = Mapping[str, str]
OptionsT = TypeVar("OptionsT", bound="SearchOptions")


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What every search can be told. A `TypeError` tells of what has another type."""

    era: str = "v6.15-sound"
    """Whose rules; `EraError` if there is none of this name."""
    rules: Rules | None = None
    """Rules that differ from the era's, by name; `RuleError` if there is no such rule or value."""
    without: Sequence[str] = ()
    """Steps of the protocol that are left out, as ``STEP@FUNCTION``; `pgmap.ablate` lists them."""
    geometry: Mapping[str, int] | None = None
    """Sizes of the machine by name; others just fit the program. `OutOfRange` if one cannot be."""
    preemptions: int | None = 2
    """Bound of the search, 0 to 64; `None`: no bound, one schedule of each class."""
    schedules: int | None = None
    """Executions in all, cut ones included, 1 at least; `None`: as many as it takes."""
    seconds: float | None = None
    """How long it may take, shrinking included; `None`: as long as it takes."""
    max_steps: int | None = None
    """Points of one execution, 1 at least; a longer one is cut there. `None`: 100,000."""
    shrink: bool = True
    """Whether what is found is made small."""
    threads: int | None = None
    """OS threads, 1 to 64; `None`: one for each processor. Any number finds the same."""
    memory: str = "sc"
    """``sc``, sequentially consistent, or ``tso``, as on x86."""
    speculative_tlb: bool = False
    """Whether CPUs load translations ahead of any access."""
    known: bool = False
    """Whether races that the era is known to have are findings, too."""
    seed: int = 1
    """What is drawn, an unsigned number of 64 bits: the same seed draws the same."""

    @classmethod
    def of(cls: type[OptionsT], args: argparse.Namespace, **instead: Any) -> OptionsT:
        """What a command line says, or `instead`; what it leaves out is as usual."""
        said = {
            field.name: getattr(args, field.name) for field in fields(cls) if field.name in args
        }
        return cls(**{"rules": dict(args.breaks), **said, **instead})

    def config(self, **more: Any) -> dict[str, Any]:
        """As the core is told."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        breaks = pairs(told.pop("rules"))
        told["without"] = _names(self.without)
        return {**told, "breaks": breaks, "geometry": _sizes(self.geometry), **more}


@dataclass(frozen=True, kw_only=True)
class ExploreOptions(SearchOptions):
    """What the search of one program can be told."""

    strategy: str = "portfolio"
    """``portfolio``: the bounds, then executions drawn beyond them; ``bounds``: nothing beyond;
    ``random``, ``pct:DEPTH``, ``pos``, ``urw``, ``surw``: draw only, by this one."""

    @property
    def has_bounds(self) -> bool:
        """Whether the strategy searches within bounds at all."""
        return self.strategy in ("portfolio", "bounds")


@dataclass(frozen=True, kw_only=True)
class HuntOptions(SearchOptions):
    """What a hunt for programs can be told; bound and schedules are those of each program."""

    words: Sequence[str] = ()
    """Of which words; none are all there are."""
    ops: int = 6
    """Operations of the longest program, 1 to 12; what is drawn may be longer."""
    programs: int | None = None
    """Most programs that are explored, 1 at least; `None`: all there are."""
    preemptions: int | None = 1
    schedules: int = 20_000


def pairs(rules: Rules | None) -> tuple[tuple[str, str], ...]:
    """Rules with their values, as the core is told."""
    if rules is None:
        return ()
    if not isinstance(rules, Mapping):
        _refuse("rules", rules)
    found: tuple[tuple[Any, Any], ...] = tuple(rules.items())
    for name, value in found:
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError("rules map the name of a rule to its value, both str")
    return found


def _sizes(geometry: Mapping[str, int] | None) -> dict[str, int]:
    if geometry is not None and not isinstance(geometry, Mapping):
        _refuse("geometry", geometry)
    return dict(geometry or {})


def _names(without: Sequence[str]) -> list[str]:
    if isinstance(without, str) or not all(isinstance(name, str) for name in without):
        raise TypeError("without is a list of steps, each a str such as 'lock-ptl@FUNCTION'")
    return list(without)


def _refuse(name: str, value: object) -> NoReturn:
    raise TypeError(f"{name} must be a dict, not {type(value).__name__}")
