"""The values a command line can carry."""

from __future__ import annotations

from argparse import ArgumentTypeError
from contextlib import suppress
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pgmap
from pgmap import errors
from pgmap._args import (
    THREADS_MAX,
    add_rules,
    count,
    duration,
    fresh_seed,
    rule,
    seed,
    show_count,
    show_seconds,
    show_seed,
)
from pgmap._cli import Command, Parser, UsageError, build_parser
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap._stress_config import Config
from pgmap.stress import Stress
from ran import Runner


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("10", 10),
        ("0.25", 0.25),
    ],
)
def test_a_duration_is_read_in_its_unit(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "s", "0", "0s", "-1s", "10x", "1h 30m", "nan", "inf", "1e3", "9999h9999h", "٣s", "5mm"],
)
def test_what_is_no_duration_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"not a duration|more than nothing"):
        duration(text)


@given(st.text(max_size=12))
def test_a_duration_is_a_positive_number_or_an_argument_error(text: str) -> None:
    with suppress(ArgumentTypeError):
        assert duration(text) > 0


@given(st.integers(0, 2**64 - 1))
def test_a_printed_seed_reads_back(value: int) -> None:
    assert seed(show_seed(value)) == value


@pytest.mark.parametrize("text", ["-1", "0x10000000000000000", "seven", "", "1.5"])
def test_a_seed_is_an_unsigned_64_bit_number(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        seed(text)


def test_fresh_seeds_are_seeds_and_differ() -> None:
    drawn = {fresh_seed() for _ in range(8)}
    assert len(drawn) > 1
    assert all(seed(show_seed(value)) == value for value in drawn)


@pytest.mark.parametrize("text", ["0", "257", "x"])
def test_a_count_outside_its_range_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        count(1, 256)(text)


def test_a_rule_is_a_name_and_a_value() -> None:
    assert rule("gup-pte-recheck=off") == ("gup-pte-recheck", "off")


@pytest.mark.parametrize("text", ["gup-pte-recheck", "=off", "gup-pte-recheck=", ""])
def test_half_a_rule_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="RULE=VALUE"):
        rule(text)


def test_numbers_are_shown_for_people() -> None:
    assert [show_seconds(s) for s in (0.04, 59.94, 245, 3720)] == [
        "0.0s",
        "59.9s",
        "4m05s",
        "1h02m",
    ]
    assert [show_count(n) for n in (0, 9999, 12_300, 28_900_000, 3e9)] == [
        "0",
        "9999",
        "12.3k",
        "28.9M",
        "3.0G",
    ]


def test_one_rule_has_one_value() -> None:
    parser = Parser()
    add_rules(parser.add_argument_group())
    asked = parser.parse_args(["--break", "a=b", "--break", "c=d"])
    assert asked.breaks == [("a", "b"), ("c", "d")]
    with pytest.raises(UsageError, match="a is given twice"):
        parser.parse_args(["--break", "a=b", "--break", "a=c"])


@pytest.mark.parametrize(
    ("command", "words"),
    [(Stress(), []), (Explore(), ["--break", "a=b"]), (Explore(), ["--hunt", "mmap"])],
)
@pytest.mark.parametrize("number", ["0", "65", "200", "100000"])
def test_threads_have_one_limit_and_one_sentence(
    command: Command, words: list[str], number: str, run: Runner
) -> None:
    ran = run(command, *words, "--threads", number)
    assert ran.exit is Exit.USAGE
    sentence = f"argument --threads: '{number}' is not between 1 and {THREADS_MAX}"
    assert ran.stderr.splitlines()[0] == f"pgmap {command.name}: {sentence}"


@pytest.mark.parametrize("number", [0, THREADS_MAX + 1, 1 << 40])
def test_the_core_has_the_same_limit(number: int) -> None:
    sentence = rf"threads is {number}; it must be 1 to {THREADS_MAX}$"
    with pytest.raises(errors.InvalidArgument, match=sentence):
        pgmap.explore("file f 1\nw0 nop\n", threads=number)
    stress = asdict(Config.of(build_parser(Stress()).parse_args([])))
    with pytest.raises(errors.InvalidArgument, match=sentence):
        core().stress_start({**stress, "threads": number})


def test_the_rules_of_one_command_line_are_not_in_the_next() -> None:
    parser = Parser()
    add_rules(parser.add_argument_group())
    assert parser.parse_args(["--break", "a=b"]).breaks == [("a", "b")]
    assert parser.parse_args(["--break", "a=c"]).breaks == [("a", "c")]
    assert list(parser.parse_args([]).breaks) == []


def test_a_range_includes_both_its_ends() -> None:
    assert [count(1, 256)(text) for text in ("1", "256")] == [1, 256]
    assert duration("8760h") == 365 * 24 * 3600
