"""Which outcomes of a program no sequential order explains.

An outcome is explained by an order of the whole steps, each worker's in its own, in which a model
that does one step at a time comes to the same results. Where a kernel may do less than it was asked
for, that is a conservative failure, and it has a name; an explanation says which ones it needs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pgmap import _core
from pgmap._operations import by_word, read, written
from pgmap._outcomes import NOT_BEGUN, Outcomes, outcomes
from pgmap._search import explore
from pgmap.build import Builder, text_of
from pgmap.errors import DoesNotHold
from pgmap.stateful.machine import SequentialModel
from pgmap.stateful.model import Model
from pgmap.stateful.things import FILE_PAGES_MAX, PIPE_SLOTS, PMD_PAGES, Refused

SIZES = {
    "pmd_order": PMD_PAGES.bit_length() - 1,
    "file_pages_max": FILE_PAGES_MAX,
    "pipe_slots": PIPE_SLOTS,
}
"""Of a machine that the model is one of."""
Results = tuple[str, ...]
PAGE_BYTES = 4096
SHORT_COUNT = "short count"
"""Fewer pages than were asked for, one at least: GUP, pipes and reads may stop early."""
TRY_AGAIN = "try again"
"""EAGAIN: a lock or a page was not to be had at once, and nothing was done."""
HELD = "held for a moment"
"""EBUSY of a page that nobody keeps: GUP that looks again, or a gather, held it on the way."""
WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sequential order that comes to an outcome."""

    order: tuple[str, ...]
    """Steps as they are written, the first one done first."""
    needs: frozenset[str] = frozenset()
    """Names of the conservative failures among them."""


@dataclass(frozen=True, slots=True)
class Linearized:
    """What became of each outcome of a program."""

    outcomes: Outcomes
    explained: Mapping[Results, Explanation]

    @property
    def unexplained(self) -> tuple[Results, ...]:
        """Outcomes that no order explains; each has its execution in ``outcomes.witnesses``."""
        return tuple(it for it in self.outcomes if it not in self.explained)

    def assert_holds(self) -> Linearized:
        """Raise `DoesNotHold`, with a token, for each outcome that no order explains."""
        if not self.unexplained:
            return self
        told = (
            f"{', '.join(map(' = '.join, zip(self.outcomes.steps, it, strict=True)))}\n"
            f"  pgmap replay {self.outcomes.witnesses[it]}"
            for it in self.unexplained
        )
        raise DoesNotHold("no sequential order explains\n" + "\n".join(told))


def linearizable(
    program: str | _core.Program | Builder,
    model: Callable[[], SequentialModel] = Model,
    **options: Any,
) -> Linearized:
    """Hold every outcome of `program` within the bound against a sequential model.

    `model` makes a fresh one (default: `pgmap.stateful.Model`); `options` are those of
    `pgmap.outcomes`, and so is what is raised. The machine has the sizes of that model unless
    `geometry` says otherwise. Conservative failures that are allowed: ``short count``, ``try
    again`` and ``held for a moment``. `TypeError` if the program has a step that the model does
    not know.
    """
    told = _core.Program(text_of(program))
    options["geometry"] = {**SIZES, **(options.get("geometry") or {})}
    began = _set_up(told, model(), options)
    steps = _behind_start(told)
    found = outcomes(told, **options)
    explained = {}
    for results in found:
        todo: dict[int, list[tuple[str, str]]] = {}
        for (worker, step), result in zip(steps, results, strict=True):
            todo.setdefault(worker, []).append((step, result))
        if (why := next(_orders(began, todo), None)) is not None:
            explained[results] = why
    return Linearized(found, explained)


def _set_up(
    program: _core.Program, model: SequentialModel, options: Mapping[str, Any]
) -> SequentialModel:
    """The model as it is when the program has its start behind it.

    Where the blocks of files are is the machine's choice: a World of its sizes makes them, too.
    """
    shallow = {**options, "schedules": 1, "preemptions": 0, "strategy": "bounds"}
    sizes = explore(program, **shallow).setting.geometry
    with _core.World(geometry=sizes) as world:
        for line in program.text.splitlines():
            if line.startswith("file "):
                _, name, pages, state, *_ = line.split()
                world.run(_core.Program(line))
                model.create(name, int(pages), state)
        model.learn(world)
    texts = [step.text for step in program.steps]
    forked = {int(text.split()[2]) for text in texts if " fork " in text}
    for worker in sorted(set(program.workers) - forked):
        if f"w{worker} spawn" not in texts:
            _done(model, f"w{worker} spawn")
    for step in program.steps[: texts.index("start")] if "start" in texts else ():
        if step.worker is not None:
            _done(model, step.text)
    return model


def _behind_start(program: _core.Program) -> list[tuple[int, str]]:
    """The steps that have outcomes, in the order of `Outcomes.steps`."""
    texts = [(step.worker, step.text) for step in program.steps]
    at = next((n for n, (_, text) in enumerate(texts) if text == "start"), -1)
    behind = texts[at + 1 :]
    if any(who is None for who, _ in behind):
        raise TypeError("the environment has no place in a sequential order")
    return sorted(((who or 0, text) for who, text in behind), key=lambda it: it[0])


def _done(model: SequentialModel, step: str) -> str | None:
    """What a step comes to; `None` if it would sleep."""
    try:
        begun = model.do(step)
        next(begun)
    except StopIteration as done:
        return str(done.value)
    except Refused as refused:
        return str(refused)
    begun.close()
    return None


def _orders(
    model: SequentialModel, todo: Mapping[int, list[tuple[str, str]]]
) -> Iterator[Explanation]:
    """Every order that comes to these results."""
    if all(result in (WAITS, NOT_BEGUN) for rest in todo.values() for _, result in rest[:1]):
        asleep = (rest[0][0] for rest in todo.values() if rest and rest[0][1] == WAITS)
        if all(_done(copy.deepcopy(model), step) is None for step in asleep):
            yield Explanation(())
        return
    for worker, rest in todo.items():
        if not rest or rest[0][1] in (WAITS, NOT_BEGUN):
            continue
        (step, result), left = rest[0], {**todo, worker: rest[1:]}
        for name, instead, told in _ways(step, result):
            after = copy.deepcopy(model)
            if _done(after, instead) != told:
                continue
            for then in _orders(after, left):
                needs = then.needs if name is None else then.needs | {name}
                yield Explanation((step, *then.order), needs)


def _ways(step: str, result: str) -> Iterator[tuple[str | None, str, str]]:
    """What the model may do for a step with this result, and what must come of it.

    The step itself; or, by the name of a conservative failure, one that does less.
    """
    yield None, step, result
    worker, word, given = read(step)
    op = by_word("worker")[word]
    pages = next((n for n, it in enumerate(op.arguments) if it.kind == "pages"), None)
    if pages is not None and result.isdecimal() and op.returns in ("bytes", "pinned"):
        count = int(result) // (PAGE_BYTES if op.returns == "bytes" else 1)
        if 0 < count < int(given[pages] or 1):
            fewer = [str(count) if n == pages else it for n, it in enumerate(given)]
            yield SHORT_COUNT, f"w{worker} {written(op, word, fewer)}", result
    if result == "EAGAIN":
        yield TRY_AGAIN, f"w{worker} nop", "0"
    if result == "EBUSY" and word == "madvise":
        yield HELD, f"w{worker} nop", "0"
