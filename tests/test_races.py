"""`python -m pgmap.races`: the catalogue as files, listed, shown and run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pgmap
from fake_core import FakeCore, FakeExplore
from fake_facts import known_race
from fake_reports import explore_report, replayed
from fake_reports import found as a_failure
from pgmap import errors
from pgmap._core_api import core
from pgmap._core_facts import Catalogue
from pgmap._exit import Exit
from pgmap._race import every
from pgmap.races import Races
from pgmap.selftest import Selftest
from ran import Runner

SHIPPED = Path(pgmap.__file__).parent / "races"
MINE = '''
number = "B99"
title = "the block is gone, and nobody waited"
kind = "sequential"
wrong = ["truncate-break-layout=off"]
invariant = "I18"
bound = 0
sources = ["a test"]
note = "truncate gives away what a device writes to"
teaches = "A device writes to a page for as long as it is pinned."
program = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0 | w0 pin 0 0
start
w0 unpin
w1 ftruncate f 0
"""
'''
HARMLESS = '''
title = "the order of a flush where nobody else maps"
kind = "equivalence"
wrong = ["zap-put=before-flush"]
bound = 1
sources = ["a test"]
note = "one task alone cannot tell"
teaches = "Whoever is alone meets nobody."
program = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 munmap 0
"""
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(MINE, encoding="utf-8")
    (tmp_path / "harmless.toml").write_text(HARMLESS, encoding="utf-8")
    return tmp_path


def test_the_package_ships_a_file_for_each_race() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.toml")}
    races = {race["name"]: race for race in every(core().catalogue()) if "." not in race["name"]}
    assert set(files) == set(races)
    for name, text in files.items():
        # Variants come after.
        title, *_ = re.findall('^title = "(.*)"$', text, re.MULTILINE)
        assert title == races[name]["title"]


def test_the_list_has_a_line_for_each(run: Runner) -> None:
    ran = run(Races(), "list", core=core())
    races = every(core().catalogue())
    assert [line.split()[0] for line in ran.lines] == [race["name"] for race in races]
    assert run(Races(), core=core()).lines == ran.lines


@pytest.mark.parametrize("name", ["idle-pred", "B33", "b33", "idle-pred=ref-zero"])
def test_a_race_is_shown_by_name_number_or_wrong_rule(run: Runner, name: str) -> None:
    told = run(Races(), "show", name, core=core())
    assert told.exit is Exit.OK
    assert told.lines[0] == "idle-pred (B33), liveness: a layout break is never woken"
    for part in (
        "  wrong: idle-pred=ref-zero",
        "  right: v6.15-sound",
        "breaks: L2 Breaking a layout ends once the pins are gone.",
        "found with 0 preemptions",
        "      w1 ftruncate f 0",
        "see it: python -m pgmap.explore --break idle-pred=ref-zero",
        "source: recordings *_refault_while_*",
    ):
        assert part in told.stdout


def test_one_number_may_be_several_races(run: Runner) -> None:
    told = run(Races(), "show", "B14", "--json", "-", core=core()).json["races"]
    assert [race["name"] for race in told] == [
        "truncate-break-layout",
        "block-free",
        "layout-scan",
    ]


def test_what_no_program_shows_says_what_does(run: Runner) -> None:
    assert "not on x86; shown by loom" in run(Races(), "show", "gup-grab", core=core()).stdout
    assert "not shown: file systems of programs" in run(Races(), "show", "B51", core=core()).stdout
    for name, told in [("gup-grab", "Not on x86"), ("failed-range", "no program shows")]:
        ran = run(Races(), "run", name, core=core())
        assert ran.exit is Exit.USAGE
        assert told in ran.stderr


def test_a_file_of_a_folder_is_listed_and_run(run: Runner, folder: Path) -> None:
    added = ("--races", str(folder))
    listed = run(Races(), "list", *added, core=core()).stdout
    assert "\nmine " in listed
    assert "\nharmless " in listed
    ran = run(
        Races(), "run", "mine", "harmless", *added, "--replays", "3", "--json", "-", core=core()
    )
    assert ran.exit is Exit.OK, ran.stderr
    mine, harmless = ran.json["rows"]
    assert (mine["race"], mine["ok"], mine["replays"]) == ("mine", True, 3)
    assert (harmless["race"], harmless["invariant"], harmless["replays"]) == ("harmless", None, 0)
    ran = run(Selftest(), "--list", *added, core=core())
    assert "truncate gives away what a device writes to" in ran.stdout


def test_a_race_that_is_not_as_its_file_says_fails(run: Runner, folder: Path) -> None:
    (folder / "mine.toml").write_text(MINE.replace('"I18"', '"I22"'), encoding="utf-8")
    ran = run(Races(), "run", "mine", "--races", str(folder), "--replays", "1", core=core())
    assert ran.exit is Exit.FOUND
    assert "found I18, which is another failure" in ran.stdout
    fails = HARMLESS.replace("w0 munmap 0", "w0 munmap 0\nw1 ftruncate f 0")
    (folder / "harmless.toml").write_text(fails, encoding="utf-8")
    ran = run(Races(), "run", "harmless", "--races", str(folder), core=core())
    assert ran.exit is Exit.FOUND
    assert "something fails: found" in ran.stdout


def test_a_grace_period_that_is_needed_must_be_waited_for(run: Runner, folder: Path) -> None:
    (folder / "mine.toml").write_text(MINE + "needs = { grace-period = true }\n", encoding="utf-8")
    ran = run(Races(), "run", "mine", "--races", str(folder), "--replays", "1", core=core())
    assert ran.exit is Exit.FOUND
    assert "no step of it waits for a grace period" in ran.stdout
    waits = MINE.replace("truncate-break-layout=off", "memunmap-wait=off").replace(
        "I18", "I13-weak"
    )
    waits = waits.replace("w1 ftruncate f 0", "w1 unbind") + "needs = { grace-period = true }\n"
    (folder / "mine.toml").write_text(waits, encoding="utf-8")
    ran = run(Races(), "run", "mine", "--races", str(folder), "--replays", "1", core=core())
    assert ran.exit is Exit.OK, ran.stdout


class Alike(FakeCore):
    def catalogue(self, races: str | None = None) -> Catalogue:
        alike = known_race("zap-put", "before-flush", None, "no difference", kind="equivalence")
        return {"known": [alike], "not_on_x86": [], "not_shown": []}


def test_steps_that_come_to_other_results_are_no_equivalence(run: Runner, folder: Path) -> None:
    told = HARMLESS.replace("zap-put=before-flush", "evict-wait=none")
    program = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\nstart\nw0 munmap 0\n"
    assert program in told
    (folder / "harmless.toml").write_text(told, encoding="utf-8")
    same = run(Races(), "run", "harmless", "--races", str(folder), core=core())
    assert same.exit is Exit.OK, same.stdout
    one = explore_report()
    other = explore_report(outcomes=[{**one["outcomes"][0], "results": {"EFAULT": 1}}])
    fake = Alike(explores=[FakeExplore(one), FakeExplore(other)])
    ran = run(Races(), "run", "zap-put", core=fake)
    assert ran.exit is Exit.FOUND
    assert "the steps come to other results" in ran.stdout


def test_a_bad_file_is_a_usage_error_that_names_file_and_key(run: Runner, folder: Path) -> None:
    (folder / "mine.toml").write_text(MINE.replace("bound = 0", "bund = 0"), encoding="utf-8")
    ran = run(Races(), "list", "--races", str(folder), core=core())
    assert ran.exit is Exit.USAGE
    assert "mine.toml: line 7: bund = 0: unknown field" in ran.stderr
    with pytest.raises(errors.RaceError, match=r"nowhere"):
        core().catalogue(str(folder / "nowhere"))


@pytest.mark.parametrize("words", [["show"], ["show", "B77"], ["run", "nobody"]])
def test_which_race_has_to_be_one(run: Runner, words: list[str]) -> None:
    ran = run(Races(), *words)
    assert ran.exit is Exit.USAGE
    assert "python -m pgmap.races list names them" in ran.stderr


def test_a_replay_that_goes_elsewhere_is_told(run: Runner) -> None:
    fake = FakeCore(
        explores=[
            FakeExplore(explore_report(verdict="found", found=a_failure())),
            FakeExplore(explore_report()),
        ],
        again=replayed(outcome="cannot", why="step 3"),
    )
    ran = run(Races(), "run", "zap-put", core=fake)
    assert ran.exit is Exit.FOUND
    assert "replay 1 cannot: step 3" in ran.stdout
