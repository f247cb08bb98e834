"""docs/ablation.md: what breaks without each step, as ``pgmap.ablate --page`` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgmap._ablation import Effort, searched, untried_of
from pgmap._core_facts import ProtocolSteps
from pgmap._objects import AblatedStep
from pgmap._redundant import REDUNDANT

HEAD = """\
# What breaks without this step?

Every call of a primitive that has an effect, in the protocol of `{era}`, was left out, one at a
time: a lock with its unlock, a wake-up, a barrier, a flush, a grace period, a store, a get, a put,
a second look. There are {calls} calls, which are {steps} steps, for a helper's call is a step of
each of its callers; {rows} of them were tried. For each the catalogue's programs and others that
were written for this were searched with 0 to {preemptions} preemptions, {schedules:,} executions of
each at each bound, which of a step that more than {in_full} programs take these share{hunted}. An
execution of more than {longest:,} points is cut; where that happened the table says so. Complaints
about how a primitive is used do not count.

**Without {broken} of {rows} steps an invariant is broken.** Of the others {explained} are explained
below the table, and {unexplained} are not yet: each of these lacks a program, a check, or a reason.

`python -m pgmap.ablate STEP@FUNCTION` finds one again, with a token for `pgmap.replay`;
`pgmap.explore PROGRAM --without STEP@FUNCTION` asks it of a program of your own;
`pgmap.ablate --page --resume FILE` makes this page anew.
"""


def page(rows: Sequence[AblatedStep], protocol: ProtocolSteps, effort: Effort) -> Iterator[str]:
    """The page, line by line."""
    broken = [row for row in rows if row["outcome"] == "broken"]
    others = [row for row in rows if row["outcome"] != "broken"]
    yield HEAD.format(
        **effort.config(),
        hunted=f"; what broke in none was hunted for, {effort.hunt:.0f} seconds"
        if effort.hunt
        else "",
        explained=sum(reason(row) is not None for row in others),
        unexplained=sum(reason(row) is None for row in others),
        calls=protocol["calls"],
        steps=len(protocol["steps"]),
        rows=len(rows),
        broken=len(broken),
    )
    yield "| step | kind | breaks | preemptions | as | program |"
    yield "|---|---|---|---|---|---|"
    for row in broken:
        bound = "drawn" if row["preemptions"] is None else row["preemptions"]
        yield (
            f"| `{row['step']}` | {row['kind']} | {row['invariant']} | {bound} | {row['title']} "
            f"| {row['source']} |"
        )
    untried = untried_of(rows, protocol)
    if untried:
        yield f"\n## Steps that were not tried\n\n{len(untried)} of {len(protocol['steps'])}:\n"
        yield ", ".join(f"`{name}`" for name in untried)
    yield "\n## Steps that nothing misses\n"
    yield "| step | kind | searched | why |"
    yield "|---|---|---|---|"
    for row in others:
        why = reason(row) or row["why"] or "not explained yet"
        yield f"| `{row['step']}` | {row['kind']} | {searched(row)} | {why} |"


def reason(row: AblatedStep) -> str | None:
    """Why nothing misses a step, if that is known."""
    return REDUNDANT.get(row["step"])
