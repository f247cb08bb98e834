"""Numbers of searches in words, the same wherever they are told."""

from __future__ import annotations

from collections.abc import Mapping


def results_words(results: Mapping[str, int]) -> str:
    """``EFAULT in all 13``, ``0 in 9, EBUSY in 4``."""
    if len(results) == 1:
        [(result, times)] = results.items()
        return f"{result} in all {times:,}"
    often = sorted(results.items(), key=lambda each: -each[1])
    return ", ".join(f"{result} in {times:,}" for result, times in often) or "in none"


def classes_words(classes: int, *, exact: bool) -> str:
    """How many classes, in words."""
    about = "" if exact else "about "
    return f"{about}{classes:,} distinct class{'' if classes == 1 else 'es'}"


def unseen_words(unseen: float, executions: int) -> str:
    """The unseen share in words: an estimate, and below what so many executions can tell."""
    if unseen == 0 and executions > 0:
        return f"below {1 / executions:.2%}"
    return f"about {unseen:.1%}"


def costs(bound: int, *, delays: bool) -> str:
    """So many preemptions in words; where stores or translations come late, those count too."""
    words = counted(bound, "preemption")
    return f"{words} or {'delay' if bound == 1 else 'delays'}" if delays else words


def within(bound: int | None, *, delays: bool = False) -> str:
    """A bound in words."""
    match bound:
        case None:
            return "in any schedule"
        case 0:
            return f"in any schedule without a preemption{' or a delay' if delays else ''}"
        case _:
            return f"in any schedule with at most {costs(bound, delays=delays)}"


def delays(memory: str, tlb: str) -> bool:
    """Whether a bound counts more than preemptions."""
    return memory != "sc" or tlb != "on-access"


def counted(n: int, noun: str) -> str:
    """``1 schedule``, ``1,234 schedules``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
