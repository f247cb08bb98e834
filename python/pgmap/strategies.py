"""Hypothesis strategies: programs to explore, and what they are explored under.

The drawn thing is a program, never a schedule. What searches its interleavings is `check`, a
deterministic function of the program, inside the test: so a failure is never flaky, shrinks, and is
kept in the example database::

    from hypothesis import given
    from pgmap import strategies

    @given(strategies.programs(threads=2, words=("mmap", "w", "pin", "unpin", "ftruncate")))
    def test_no_program_breaks_my_rules(program):
        strategies.check(program, rules={"zap-put": "after-flush"})

The same programs run on real threads: `on_threads` does one once, and looks where they join.
Everything is drawn from the core's table of operations: a new operation is drawn the day it exists.
Needs Hypothesis: ``pip install 'pgmap[hypothesis]'``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from pgmap import _core
from pgmap._draft import Draft
from pgmap._operations import operations as table
from pgmap._options import ExploreOptions, Rules, pairs
from pgmap._search import explore
from pgmap._threads import on_threads
from pgmap._wishes import Wish
from pgmap.build import Builder, text_of
from pgmap.verdicts import Found, Verdict

try:
    from hypothesis import strategies as st

    from pgmap import _ways
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "pgmap.strategies needs Hypothesis: pip install 'pgmap[hypothesis]'", name=_error.name
    ) from None

__all__ = ["check", "eras", "on_threads", "operations", "programs", "rules", "worlds"]

THREADS, OPS = 3, 3
SCHEDULES, POINTS = 64, 10
"""Executions that show what two or three who meet can do with one preemption, and by how many times
as many there are with each more: at so many points a worker can be preempted."""
REMEMBERED = 4096
"""Searches that are not made again: many choices come to the same program."""


def programs(
    *,
    threads: int = THREADS,
    ops: int = OPS,
    words: Sequence[str] | None = None,
    setup: str | _core.Program | Builder | None = None,
    invalid: float = 0.0,
) -> st.SearchStrategy[_core.Program]:
    """Programs that make sense: each handle is there, each page is mapped, each file is open.

    At most `threads` workers (1 at least) do at most `ops` operations each behind ``start`` (1 at
    least). `words` are the operations to draw (`None`: all of them); what these need is made in the
    set-up, whatever it takes. With `setup`, a program without ``start``, that is the set-up, and
    nothing is added to it. `invalid` is the share of operations, 0 to 1, that may name what is
    gone, or pages beyond the end.

    Shrinks towards fewer workers, fewer operations, smaller files. `ProgramError` if `setup` is no
    program, `ValueError` if a word is no operation.
    """
    if threads < 1 or ops < 1:
        raise ValueError("a program has one worker and one operation at least")
    if not 0 <= invalid <= 1:
        raise ValueError(f"invalid is a share from 0 to 1, not {invalid}")
    _known(words)
    given = None if setup is None else _core.Program(text_of(setup)).text
    asked = None if words is None else tuple(words)
    return _ways.programs(threads=threads, ops=ops, words=asked, setup=given, invalid=invalid)


def operations(
    words: Sequence[str] | None = None,
    *,
    after: str | _core.Program | Builder = "",
    worker: int | None = None,
    invalid: float = 0.0,
) -> st.SearchStrategy[str]:
    """Single steps, as text, that make sense after a program without ``start``.

    `words` are the operations to draw (`None`: all of a worker), `worker` who does them (`None`:
    any worker that does something in `after`, or worker 0). Draws nothing (`Unsatisfied`) where no
    operation of `words` makes sense.
    """
    _known(words)
    text = text_of(after)
    who = sorted(_core.Program(text).workers) or [0]
    workers = st.sampled_from(who) if worker is None else st.just(worker)
    some = _ways.words_of("worker", None if words is None else tuple(words))
    wish = some.flatmap(lambda word: _ways.wish("worker", word, invalid))
    return (
        st.builds(lambda n, wish: _step(text, n, wish), workers, wish)
        .filter(lambda step: step is not None)
        .map(str)
    )


def check(
    program: str | _core.Program | Builder,
    *,
    era: str = ExploreOptions.era,
    rules: Rules | None = None,
    preemptions: int = 1,
    schedules: int | None = None,
    memory: str = ExploreOptions.memory,
    speculative_tlb: bool = False,
    geometry: Mapping[str, int] | None = None,
) -> Verdict:
    """Search a drawn program, and raise `DoesNotHold` if it breaks and the rules are to blame.

    A deadlock that the program asks for, whatever the rules, is none: drawn programs ask for some.
    At most `schedules` executions with at most `preemptions` preemptions are run; `None` are 64 for
    one preemption, a few milliseconds, and ten times as many for each more. What is found is not
    shrunk, for Hypothesis shrinks the program. The other arguments are those of `pgmap.explore`.
    """
    verdict = _searched(
        text_of(program),
        era,
        tuple(sorted(pairs(rules))),
        preemptions,
        enough(preemptions) if schedules is None else schedules,
        memory,
        speculative_tlb,
        tuple(sorted((geometry or {}).items())),
    )
    if isinstance(verdict, Found) and verdict.finding.blame == "rules":
        verdict.assert_holds()
    return verdict


def enough(preemptions: int) -> int:
    """Executions of a small program that are worth the time, with so many preemptions at most."""
    times: int = POINTS ** max(0, preemptions - 1)
    return SCHEDULES * times


@lru_cache(maxsize=REMEMBERED)
def _searched(
    program: str,
    era: str,
    rules: tuple[tuple[str, str], ...],
    preemptions: int,
    schedules: int,
    memory: str,
    speculative_tlb: bool,
    geometry: tuple[tuple[str, int], ...],
) -> Verdict:
    return explore(
        program,
        era=era,
        rules=dict(rules),
        preemptions=preemptions,
        schedules=schedules,
        memory=memory,
        speculative_tlb=speculative_tlb,
        geometry=dict(geometry),
        strategy="bounds",
        shrink=False,
        threads=1,
    )


def eras() -> st.SearchStrategy[str]:
    """Names of eras, those that only sound rules are in first."""
    names = sorted((era["name"] for era in _core.facts()["eras"]), key=lambda n: "sound" not in n)
    return st.sampled_from(names)


def rules(*, most: int = 1) -> st.SearchStrategy[dict[str, str]]:
    """Rules that differ from those of the base era, at most so many, as `explore` takes them.

    A few are impossible under some era, or together: then `explore` raises `RuleError`.
    """
    wrong = [
        (rule["name"], value["name"])
        for rule in _core.facts()["rules"]
        for value in rule["values"]
        if value["name"] != rule["base"]
    ]
    return st.lists(st.sampled_from(wrong), max_size=most, unique_by=lambda it: it[0]).map(dict)


def worlds(*, eras: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[_core.World]:
    """Worlds, of the default era if `eras` is not given, with small machines of several sizes."""
    sizes = st.fixed_dictionaries(
        {
            "pmd_order": st.sampled_from((2, 1, 3)),
            "gather_batch": st.sampled_from((2, 1, 4)),
            "pages": st.sampled_from((64, 256)),
            "file_pages_max": st.just(16),
            "dev_pages": st.just(8),
        }
    )
    era = st.just(ExploreOptions.era) if eras is None else eras
    return st.builds(_core.World, era=era, geometry=sizes)


def _known(words: Sequence[str] | None) -> None:
    every = {word for op in table() for word in op.words}
    unknown = [word for word in words or () if word not in every]
    if unknown:
        raise ValueError(f"no operation is called {' or '.join(map(repr, unknown))}")


def _step(text: str, worker: int, wish: Wish) -> str | None:
    draft = Draft()
    draft.absorb(text)
    line = draft.add(worker, wish)
    return None if line is None or not draft.reads() else line.text()
