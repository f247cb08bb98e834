"""What Hypothesis draws for pgmap makes sense, prints as it is written, and shrinks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import children
from pgmap import Found, Inconclusive, Program, World, _contention, _core, explore, strategies
from pgmap._contention import TAKER, USER, Ground
from pgmap._core_api import core
from pgmap._core_facts import KnownRule
from pgmap._draft import Draft
from pgmap._operations import by_word, operations
from pgmap._wishes import Habit, Shape, Wish
from pgmap.errors import DoesNotHold, RuleError
from thorough import drawn_races
from thorough.drawn_races import OPERATIONS, WORKERS, draw, row
from thorough.never_flaky import twice

DRAWN = settings(
    max_examples=40,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
SOUND = settings(DRAWN, phases=[Phase.generate])
WORDS = [(op.by, word) for op in operations() for word in op.words]


def smallest(strategy: st.SearchStrategy[Program], holds: Callable[[Program], bool]) -> Program:
    return find(strategy, holds, settings=settings(DRAWN, max_examples=300), random=Random(1))


def first(strategy: st.SearchStrategy[Program], holds: Callable[[Program], bool]) -> Program:
    """Any, as it was drawn."""
    return find(strategy, holds, settings=settings(SOUND, max_examples=1000), random=Random(1))


def behind_start(program: Program) -> list[str]:
    lines = program.text.splitlines()
    return lines[lines.index("start") + 1 :]


# --- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "word"), WORDS)
def test_each_operation_of_the_table_is_drawn(by: str, word: str) -> None:
    who = "w0 " if by == "worker" else ""
    words = ("nop",) if word == "start" else (word,)
    drawn = strategies.programs(words=words, threads=1, ops=1)
    program = first(drawn, lambda p: f"\n{who}{word}" in p.text)
    assert any(f"{step.text} ".startswith(f"{who}{word} ") for step in program.steps)


@SOUND
@given(strategies.programs())
def test_a_program_can_be_explored_and_prints_as_it_is_written(program: Program) -> None:
    assert eval(repr(program), {"Program": Program}) == program
    explore(program, preemptions=0, schedules=5, strategy="bounds", threads=1)


@SOUND
@given(strategies.programs(threads=2, ops=2))
def test_sound_rules_survive_what_is_drawn(program: Program) -> None:
    more = sum("fork" in step.text or "thread" in step.text for step in program.steps)
    assert len(program.workers) <= 2 + more
    strategies.check(program)


@SOUND
@given(strategies.programs(words=("get", "unpin", "munmap", "r"), threads=1))
def test_a_handle_is_there_when_it_is_named(program: Program) -> None:
    verdict = explore(program, preemptions=0, strategy="bounds", threads=1)
    failed = [row for row in verdict.outcomes if {"EINVAL", "EFAULT"} & set(row.results)]
    assert failed == [] or isinstance(verdict, Inconclusive)


def test_nobody_lets_go_of_a_mapping_that_a_step_behind_start_names() -> None:
    def written(*wishes: Wish) -> str:
        draft = Draft(habits={0: Habit(lets_go=True)})
        draft.declare([Shape(1)])
        draft.wish(0, wishes, frozenset())
        return draft.text()

    unpin, read = Wish("unpin", (0,)), Wish("r", (0, 0, None))
    assert "w0 pin 0 0\nw0 munmap 0\nstart\nw0 unpin 0\n" in written(unpin)
    assert "munmap" not in written(read, unpin)


def test_nonsense_is_drawn_on_request() -> None:
    words = ("munmap",)
    sensible = strategies.programs(words=words, threads=1, ops=2)
    nonsense = strategies.programs(words=words, threads=1, ops=2, invalid=0.5)

    def twice(program: Program) -> bool:
        return behind_start(program) == ["w0 munmap 0", "w0 munmap 0"]

    assert twice(first(nonsense, twice))
    with pytest.raises(Exception, match="No examples"):
        find(sensible, twice, settings=settings(DRAWN, max_examples=50))


def test_files_have_many_shapes() -> None:
    drawn = strategies.programs(words=("r",), threads=1, ops=1)
    for line in ("file f 4 written huge", "file f 1 unwritten", "file g "):
        assert first(drawn, lambda p, line=line: line in p.text)  # type: ignore[misc]


@SOUND
@given(strategies.programs(words=("exit", "end", "kill"), threads=2, ops=1))
def test_a_program_has_a_step_of_a_worker(program: Program) -> None:
    assert any(step.startswith(("w0 ", "w1 ")) for step in behind_start(program))


# --- workers who meet ----------------------------------------------------------------------------


def test_words_are_as_likely_as_in_hunts() -> None:
    known = {word.name: word for word in _contention.words(None)}
    rows = [it for row in _core.facts()["operations"] for it in row["hunted"]]
    assert [word.name for word in known.values() if word.hunted] == [row["word"] for row in rows]
    touch, cut = known["touch"], known["truncate"]
    assert touch.weight(USER, None) > cut.weight(USER, None)
    assert touch.weight(TAKER, None) < cut.weight(TAKER, None)
    assert known["extend"].weight(TAKER, "truncate") > known["extend"].weight(TAKER, "touch") == 0
    assert cut.weight(TAKER, "truncate") == 0 < cut.weight(TAKER, "extend")


def test_every_operation_of_a_worker_comes_less_often_if_it_names_no_page() -> None:
    known = _contention.words(None)
    # Protocols of a program's own are not drawn, but when they are asked for.
    own = {word for word in by_word("worker") if word.startswith("ref_")}
    assert {word.operation for word in known} | {"r"} | own == set(by_word("worker"))
    assert {word.operation for word in _contention.words(("ref_put", "w"))} == {"ref_put", "w"}
    weight = {word.operation: word.weight(USER, None) for word in known}
    assert 0 < weight["nop"] < weight["dio_write"] < weight["pin"]


@pytest.mark.parametrize("part", [USER, TAKER])
def test_steps_of_those_who_meet_are_of_the_words_that_are_asked_for(part: int) -> None:
    known = _contention.words(("ftruncate", "w"))
    assert {word.name for word in known} == {"truncate", "extend", "touch"}

    @SOUND
    @given(st.data())
    def drawn(data: st.DataObject) -> None:
        wishes = _contention.steps(data.draw, 0, part, 3, known)
        assert 1 <= len(wishes) <= 3
        assert {wish.word for wish in wishes} <= {"ftruncate", "w"}

    drawn()


def test_where_there_is_no_file_workers_meet_on_the_drivers_own_memory() -> None:
    known = names_on(Ground.DRIVER)
    assert {"alloc", "put", "dev_get"} <= known
    assert not {"touch", "truncate", "exit"} & known
    assert known.isdisjoint(names_on(Ground.FILES))
    drawn = strategies.programs(threads=2)
    assert first(drawn, lambda p: p.files == () and {"dev_put", "dev_alloc"} <= words_of(p))


def names_on(ground: Ground) -> set[str]:
    return {word.name for word in _contention.words(None, ground=ground)}


def test_a_walker_meets_a_folio_of_several_pages_that_is_there_already() -> None:
    drawn = strategies.programs(threads=2, words=("try_get", "split"))
    there = first(
        drawn, lambda p: {"try_get", "split"} <= words_of(p) and "dev_alloc 0 2" in p.text
    )
    assert not any("dev_alloc" in step for step in behind_start(there))


def test_a_process_and_its_child_meet_on_anonymous_memory_that_may_be_on_a_device() -> None:
    known = names_on(Ground.ANONYMOUS)
    assert {"touch", "munmap", "fork", "todev", "splithuge", "exit"} <= known
    assert not {"truncate", "mmap", "punch", "put", "dev_get"} & known
    assert not {"todev", "splithuge"} & (names_on(Ground.FILES) | names_on(Ground.DRIVER))
    both = strategies.programs(threads=2, words=("r", "hmm_tosys"), ops=1)
    lines = ["w0 hmm_todev 0 0 0 1", "w0 fork 1", "start", "w0 r 0 0"]
    away = first(both, lambda p: all(line in p.text.splitlines() for line in lines))
    # The child has its parent's mapping, under its parent's number.
    assert away.text.count("anon 0") == 1
    taken = strategies.programs(threads=2, words=("split_huge_pages", "munmap"))
    parts = ["w0 anonhuge 0 4", "w0 split_huge_pages 0 0", "w1 munmap 0"]
    first(taken, lambda p: all(line in p.text.splitlines() for line in parts))


def words_of(program: Program) -> set[str]:
    return {line.split()[1] for line in behind_start(program) if line.startswith("w")}


def test_most_programs_are_new_and_few_are_long() -> None:
    """Hypothesis copies parts of an example over others that it takes for the same."""
    told: list[Program] = []

    def keep(program: Program) -> bool:
        told.append(program)
        return False

    many = settings(SOUND, max_examples=300, derandomize=False)
    with pytest.raises(NoSuchExample):
        find(strategies.programs(), keep, settings=many, random=Random(1))
    assert len({program.text for program in told}) > 0.8 * len(told)
    short = [program for program in told if len(behind_start(program)) <= 4]
    assert len(short) > len(told) / 2


def test_a_worker_leaves_whose_references_are_in_a_pipe() -> None:
    drawn = strategies.programs(threads=1, words=("vmsplice",), ops=1)
    assert first(drawn, lambda p: words_of(p) == {"vmsplice", "exit"})


def test_a_mapping_is_made_through_a_descriptor_now_and_then() -> None:
    drawn = strategies.programs(threads=1, words=("r",), ops=1)
    assert first(drawn, lambda p: "w0 open 0 f rw\nw0 mmap 0 0 0 " in p.text)


def test_what_was_cut_off_comes_back_and_is_touched() -> None:
    lines = ["w1 ftruncate f 0", "w1 ftruncate f 1", "w1 w 0 0"]
    drawn = strategies.programs(threads=2)
    assert first(drawn, lambda p: "\n".join(lines) in p.text and p.files[0][1] == 1)


# --- a set-up that is given ----------------------------------------------------------------------

SETUP = "file f 2 written\nw0 open 0 f rw\nw0 mmap 0 0 0 2 rw shared\nw0 w 0 0\nw0 pin 0 1\n"


@SOUND
@given(strategies.programs(setup=SETUP, threads=2))
def test_a_given_set_up_stays_as_it_is(program: Program) -> None:
    assert program.text.startswith(SETUP + "start\n")


def test_what_a_given_set_up_makes_is_used() -> None:
    p = Program.build()
    a = p.worker()
    m = a.mmap(p.file())
    a.pin(m)
    drawn = strategies.programs(setup=p, words=("unpin",))
    assert behind_start(smallest(drawn, lambda p: "unpin" in p.text)) == ["w0 unpin"]


# --- shrinking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "least"),
    [
        ("munmap", ["w0 munmap 0"]),
        ("dio_write", ["w0 dio_write 0 0 0 1 0"]),
    ],
)
def test_a_program_shrinks_to_one_worker_and_one_operation(word: str, least: list[str]) -> None:
    drawn = strategies.programs(words=(word, "r", "nop"))
    program = smallest(drawn, lambda p: word in "\n".join(behind_start(p)))
    assert behind_start(program) == least
    assert program.files == (("f", 1),)


@pytest.mark.parametrize("name", ["truncate-break-layout", "zap-none-pmd", "free-push"])
def test_a_race_is_found_and_shrunk_by_hypothesis_alone(name: str) -> None:
    """All of them, with ten seeds: ``python -m thorough.drawn_races``."""
    [race] = [race for race in core().catalogue()["known"] if race["name"] == name]
    drawn = draw(race, seed=1)
    assert drawn.program is not None
    workers, operations = drawn.size
    assert workers <= WORKERS
    assert operations <= OPERATIONS
    assert row(name, [drawn]).startswith(f"| {name} | 1 of 1 | {drawn.programs} |")


def test_what_was_drawn_is_not_drawn_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    asked = ["block-free", "--seeds", "1", "--log", str(log), "--programs"]
    assert drawn_races.main([*asked, "300"]) == 0
    once, kept = capsys.readouterr().out, log.read_text()
    assert "| block-free | 1 of 1 |" in once
    assert drawn_races.main([*asked, "1"]) == 0
    assert (capsys.readouterr().out, log.read_text()) == (once, kept)
    log.write_text(kept.replace("start", "start\\nw0 nop" + "\\nw0 nop" * OPERATIONS))
    assert drawn_races.main([*asked, "1"]) == 1


@pytest.mark.parametrize(("right", "told"), [(False, "replayed"), (True, "passed")])
def test_what_failed_is_kept_and_tried_first_the_next_time(right: bool, told: str) -> None:
    """A hundred times: ``python -m thorough.never_flaky``."""
    [race] = [race for race in core().catalogue()["known"] if race["name"] == "block-free"]
    tried = KnownRule(**{**race, "wrong": []}) if right else race
    assert twice(tried, examples=60 if right else 300) == told


# --- check ---------------------------------------------------------------------------------------

WAITS_FOR_ITSELF = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 pin 0 0
start
w0 unbind
w0 unpin 0
w1 unlink f
"""


def test_a_deadlock_that_a_program_asks_for_is_no_failure_of_the_rules() -> None:
    verdict = strategies.check(WAITS_FOR_ITSELF)
    assert isinstance(verdict, Found)
    assert verdict.finding.blame == "program"


def test_a_program_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []

    def count(program: str, **asked: object) -> object:
        searched.append(program)
        return explore(program, **asked)  # type: ignore[arg-type]

    monkeypatch.setattr(strategies, "explore", count)
    text = "file f 1 written\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 r 0 0\nw1 ftruncate f 0\n"
    verdicts = [
        strategies.check(it, rules={"zap-put": "after-flush"}) for it in (text, Program(text))
    ]
    assert len(searched) == 1
    assert verdicts[0] is verdicts[1]
    strategies.check(text, rules={"zap-put": "before-flush"}, preemptions=0)
    assert len(searched) == 2


def test_a_failure_is_told_each_time() -> None:
    [race] = [race for race in core().catalogue()["known"] if race["name"] == "zap-put"]
    for _ in range(2):
        with pytest.raises(DoesNotHold):
            strategies.check(race["program"], rules=dict(race["wrong"]))


# --- the other strategies ------------------------------------------------------------------------


@DRAWN
@given(st.data())
def test_a_step_makes_sense_after_a_program(data: st.DataObject) -> None:
    step = data.draw(strategies.operations(("unpin", "munmap", "r"), after=SETUP))
    Program(SETUP + step)
    assert step.startswith("w0 ")


@DRAWN
@given(strategies.eras(), strategies.rules(most=2))
def test_eras_and_rules_are_those_of_the_core(era: str, rules: dict[str, str]) -> None:
    refused = ""
    try:
        _core.check_rules(era, list(rules.items()))
    except RuleError as error:
        refused = str(error)
    assert not refused or "impossible together" in refused


@SOUND
@given(strategies.worlds(eras=strategies.eras()))
def test_worlds_are_made(world: World) -> None:
    with world:
        world.create("f", 4)
        assert world.size("f") == 4


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"threads": 0}, "one worker"),
        ({"ops": 0}, "one operation"),
        ({"words": ("pni",)}, "no operation is called 'pni'"),
        ({"invalid": 2.0}, "share from 0 to 1"),
        ({"setup": "w0 pin 0 0"}, "no mapping 0"),
    ],
)
def test_what_cannot_be_drawn_is_told_at_once(asked: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        strategies.programs(**asked)  # type: ignore[arg-type]


def test_without_hypothesis_its_extra_is_named() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import pgmap, pgmap.strategies"
    ran = children.run([sys.executable, "-c", code])
    assert "pip install 'pgmap[hypothesis]'" in ran.stderr
