"""What became of each mutant."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from mutants.lists import Mutant


class Fate(Enum):
    """What became of a mutant."""

    CAUGHT = "caught"
    HUNG = "caught, by a hang"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    NOT_BUILT = "does not compile"
    MOVED = "its text has gone"


@dataclass(frozen=True)
class Verdict:
    """One mutant's fate, and who decided it."""

    mutant: Mutant
    fate: Fate
    suite: str = ""
    told: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        mutant = {**asdict(self.mutant), "with": self.mutant.put}
        del mutant["put"]
        rest = {"suite": self.suite, "told": self.told, "seconds": round(self.seconds, 1)}
        return {**mutant, "fate": self.fate.value, **rest}

    def line(self) -> str:
        by = f"  {self.suite}: {self.told}" if self.suite else ""
        return f"{self.mutant.id:36} {self.fate.value:18}{by}"


@dataclass(frozen=True)
class Score:
    """Caught among those that can be."""

    caught: int
    killable: int
    equivalent: int

    @classmethod
    def of(cls, verdicts: list[Verdict]) -> Score:
        fates = [verdict.fate for verdict in verdicts]
        caught = fates.count(Fate.CAUGHT) + fates.count(Fate.HUNG)
        return cls(caught, caught + fates.count(Fate.SURVIVED), fates.count(Fate.EQUIVALENT))

    def __str__(self) -> str:
        share = 100 * self.caught / self.killable if self.killable else 0
        rest = f", {self.equivalent} equivalent" if self.equivalent else ""
        return f"{self.caught} of {self.killable} caught ({share:.1f} %){rest}"
