"""The hottest native operations execute exactly as many instructions as committed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import instruction_counts as counted
from instruction_counts import Counts


@pytest.fixture(scope="module")
def here() -> Counts:
    """What this checkout's release build executes."""
    reason = counted.missing() or counted.other_compiler(counted.committed()[0], counted.compiler())
    if reason is not None:
        pytest.skip(reason)
    return counted.measure(counted.valgrind(counted.build()))


@pytest.mark.slow
def test_each_operation_executes_as_many_instructions_as_committed(here: Counts) -> None:
    told = counted.verdict(counted.committed()[1], here)
    assert told == "", told


@pytest.mark.slow
def test_one_more_check_in_an_operation_is_seen(here: Counts) -> None:
    # The sound rule has put look for a waiter: a load, a compare, a branch.
    assert 0 < here["put, sound idle rule"] - here["put"] < 10


@pytest.mark.slow
def test_a_scheme_behind_the_trait_is_what_one_would_write_by_hand(here: Counts) -> None:
    assert here["get+put, atomic add"] == here["get+put, atomic add by hand"]


def test_every_scheme_is_counted() -> None:
    kinds = (counted.ROOT / "rust" / "schemes" / "src" / "kinds" / "mod.rs").read_text()
    beside = {"std Arc", "atomic add by hand"}
    assert kinds.count("visit.visit::<") == len({*counted.SCHEMES} - beside)


@pytest.mark.parametrize("operation", counted.OPERATIONS)
@pytest.mark.parametrize("by", [-1, 1])
def test_a_single_instruction_is_a_difference(operation: str, by: int) -> None:
    before = counted.committed()[1]
    after = {**before, operation: before[operation] + by}
    told = counted.verdict(before, after)
    assert (
        f"{operation}: {after[operation]} instructions, committed are {before[operation]}" in told
    )
    assert counted.UPDATE in told


def test_an_operation_nobody_committed_is_a_difference() -> None:
    before = counted.committed()[1]
    assert counted.verdict(before, {**before, "get": 5})
    assert counted.verdict(before, {})
    assert counted.verdict(before, before) == ""


def test_start_up_cancels() -> None:
    counts = counted.measure(lambda operation, times: 300_000 + len(operation) * times)
    assert counts == {operation: len(operation) for operation in counted.OPERATIONS}


@pytest.mark.parametrize(
    "total",
    [lambda times: times**2, lambda times: times // 3, lambda times: 7],
    ids=["grows", "no-whole-number", "runs-nothing"],
)
def test_what_has_no_steady_count_is_refused(total: Callable[[int], int]) -> None:
    with pytest.raises(counted.Unsteady):
        counted.measure(lambda _, times: total(times))


def test_counts_of_another_compiler_are_not_compared() -> None:
    told = counted.other_compiler("rustc 1.95.0, x86_64", "rustc 1.96.0, x86_64")
    assert told is not None
    assert "rustc 1.95.0" in told
    assert "rustc 1.96.0" in told
    assert counted.UPDATE in told
    assert counted.other_compiler("rustc 1.95.0", "rustc 1.95.0") is None


def test_a_machine_without_valgrind_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def which(tool: str) -> str | None:
        return None if tool == "valgrind" else f"/bin/{tool}"

    monkeypatch.setattr("instruction_counts.shutil.which", which)
    assert counted.missing() == "valgrind not found: install valgrind to count instructions"
