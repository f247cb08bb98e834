"""Wrong rules that x86 does not tell from the right ones.

An ordering that is too weak is the strong one there: the same instruction. Whoever breaks such a
rule gets a run in which nothing can go wrong, and must be told so, and where it does.
"""

from __future__ import annotations

from collections.abc import Sequence

from pgmap._core_api import Core
from pgmap._core_facts import NotOnX86
from pgmap._output import Output
from pgmap._race import wrong

TESTS = "cargo test -p pgmap-mm-weak"


def not_on_x86(core: Core, breaks: Sequence[tuple[str, str]]) -> list[NotOnX86]:
    """Those of the broken rules that x86 does not show."""
    return [
        entry
        for entry in core.catalogue()["not_on_x86"]
        if any(pair in breaks for pair in entry["wrong"])
    ]


def where(entry: NotOnX86) -> str:
    """What shows a rule."""
    return "; ".join(f"{TESTS} {model}" for model in entry["models"])


def sentence(entry: NotOnX86) -> str:
    """That a run with this rule is no evidence, and what is."""
    return (
        f"Not on x86: {wrong(entry)} is the same instruction there. Shown by loom: {where(entry)}"
    )


def tell_silence(out: Output, core: Core, breaks: Sequence[tuple[str, str]]) -> None:
    """Say so of each broken rule that x86 does not show."""
    for entry in not_on_x86(core, breaks):
        out.result(sentence(entry))
