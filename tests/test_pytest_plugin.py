"""The pytest plugin: budgets, sections, tokens that are kept, races that are expected."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import children

BROKEN = '''
PROGRAM = """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0
start
w0 munmap 0
w1 ftruncate f 0
"""
RULES = {"zap-put": "before-flush"}
'''
FAILS = f"""{BROKEN}
def test_good(pgmap_explore):
    pgmap_explore("w0 nop").assert_holds()

def test_bad(pgmap_explore):
    pgmap_explore(PROGRAM, rules=RULES).assert_holds()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n", "utf-8")
    return tmp_path


def run(project: Path, text: str | None, *options: str) -> tuple[int, str]:
    """Run a file of tests on its own."""
    if text is not None:
        (project / "test_it.py").write_text(text, encoding="utf-8")
    ran = children.run([sys.executable, "-m", "pytest", "-v", *options], cwd=project)
    return ran.returncode, ran.stdout + ran.stderr


def kept(project: Path) -> list[dict[str, str]]:
    files = (project / ".pytest_cache").rglob("pgmap/*.json")
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def test_a_failure_has_report_token_and_a_test_in_its_section(project: Path) -> None:
    code, told = run(project, FAILS)
    assert code == 1
    assert "1 failed, 1 passed" in told
    section = told[told.index("- pgmap -") :]
    for part in ("BUG: pgmap: page freed", "token: pgm", "def test_it_holds() -> None:"):
        assert part in section
    [line] = [line for line in told.splitlines() if line.startswith("E ") and "DoesNotHold" in line]
    assert "I22 page freed while a TLB still maps it" in line
    assert told.count("BUG: pgmap:") == 1


def test_the_test_to_paste_fails_too(project: Path) -> None:
    _, told = run(project, FAILS)
    pasted = told[told.rindex("import pgmap\n") :].split("\n=====")[0].split("\n-----")[0]
    code, again = run(project, pasted)
    assert code == 1
    assert "I22" in again


def test_what_failed_is_kept_and_runs_first_until_it_holds(project: Path) -> None:
    run(project, FAILS)
    [entry] = kept(project)
    assert entry["test"] == "test_it.py::test_bad"
    _, told = run(project, None)
    assert told.index("::test_bad") < told.index("::test_good")
    # Another budget is another question, and nothing is kept of that.
    code, told = run(project, None, "--pgmap-schedules", "1", "--pgmap-preemptions", "0")
    assert code == 0, told
    run(project, FAILS)
    mended = FAILS.replace("before-flush", "after-flush")
    code, _ = run(project, mended)
    assert code == 0


def test_a_kept_execution_is_replayed_before_any_search(project: Path) -> None:
    one = "pgmap_explore(PROGRAM, rules=RULES, preemptions=1, strategy='bounds')"
    text = f"{BROKEN}\ndef test_bad(pgmap_explore):\n    {one}.assert_holds()\n"
    run(project, text)
    blind = "import pgmap.pytest_plugin as p\np.explore = None\n"
    code, told = run(project, blind + text)
    assert code == 1
    assert "token: pgm" in told


def test_options_are_the_defaults_of_searches(project: Path) -> None:
    text = f"""{BROKEN}
def test_bound(pgmap_explore):
    assert pgmap_explore(PROGRAM, strategy="bounds").bound == 1

def test_era(pgmap_explore):
    assert pgmap_explore("w0 nop").era == "v6.15"

def test_an_argument_wins(pgmap_explore):
    assert pgmap_explore("w0 nop", preemptions=0, strategy="bounds").bound == 0
"""
    code, told = run(project, text, "--pgmap-era", "v6.15", "--pgmap-preemptions", "1")
    assert code == 0, told


def test_thorough_tests_run_on_request(project: Path) -> None:
    text = """
import pytest

@pytest.mark.pgmap_thorough
def test_long(pgmap_explore):
    assert pgmap_explore.defaults["preemptions"] == 3
"""
    assert "1 skipped" in run(project, text)[1]
    assert "1 passed" in run(project, text, "--pgmap-thorough")[1]


EXPECTS = f"""
import pgmap
{BROKEN}
@pgmap.race("RACE")
def test_it(pgmap_explore):
    pgmap_explore(PROGRAM, rules=RULES).assert_holds()
"""


@pytest.mark.parametrize(
    ("race", "change", "told"),
    [
        ("zap-put", "before-flush", "1 passed"),
        ("zap-put", "after-flush", "the race zap-put was not found"),
        ("free-push", "before-flush", "I22 page freed"),
        ("nothing", "before-flush", "no race that a program shows is called 'nothing'"),
    ],
)
def test_an_expected_race_must_be_found(project: Path, race: str, change: str, told: str) -> None:
    text = EXPECTS.replace("RACE", race).replace("before-flush", change)
    assert told in run(project, text)[1]


MANY = f"""{BROKEN}
import pytest

@pytest.mark.parametrize("n", range(4))
def test_each(pgmap_explore, n):
    pgmap_explore(PROGRAM + "w2 nop\\n" * (n % 3), rules=RULES).assert_holds()
"""


def test_workers_beside_each_other_keep_what_each_of_them_found(project: Path) -> None:
    """Who fails in which process is chance; all are kept, told, and first in every process."""
    code, told = run(project, MANY, "-n2")
    assert (code, told.count("- pgmap -")) == (1, 4)
    assert sorted(entry["test"] for entry in kept(project)) == [
        f"test_it.py::test_each[{n}]" for n in range(4)
    ]
    assert halves(project) == []
    good = "def test_good():\n    pass\n"
    (project / "test_a.py").write_text(good, "utf-8")
    _, told = run(project, None, "-n1")
    assert told.rindex("] FAILED") < told.index("] PASSED test_a.py")


def test_the_same_test_in_several_processes_keeps_one_token(project: Path) -> None:
    code, told = run(project, FAILS, "-n2", "--dist=each")
    assert (code, told.count("- pgmap -")) == (1, 2)
    assert [entry["test"] for entry in kept(project)] == ["test_it.py::test_bad"]
    code, told = run(project, FAILS.replace("before-flush", "after-flush"), "-n2", "--dist=each")
    assert code == 0, told


def test_a_worker_that_dies_is_replaced_by_one_that_collects_in_the_same_order(
    project: Path,
) -> None:
    dies = f"""{MANY}
import os
def test_dies():
    os._exit(1)
"""
    code, told = run(project, dies, "-n2", "--max-worker-restart=2")
    assert code == 1
    assert "5 failed" in told
    assert len(kept(project)) == 4
    code, told = run(project, dies, "-n2", "--max-worker-restart=2")
    assert "5 failed" in told, told


def test_threads_share_the_searches_of_a_test(project: Path) -> None:
    """pytest-run-parallel runs each test in several threads at once."""
    code, told = run(project, FAILS, "--parallel-threads=4")
    assert code == 1
    assert "test_good PARALLEL PASSED" in told
    assert "test_bad PARALLEL FAILED" in told
    assert told.count("- pgmap -") == 1
    assert [entry["test"] for entry in kept(project)] == ["test_it.py::test_bad"]
    assert halves(project) == []


def halves(project: Path) -> list[Path]:
    """Files in which somebody was about to keep something."""
    return [it for it in (project / ".pytest_cache").rglob("pgmap/*") if it.suffix != ".json"]


def test_a_race_is_expected_by_a_marker_too(project: Path) -> None:
    marked = EXPECTS.replace("pgmap.race", "pytest.mark.pgmap_race").replace("RACE", "zap-put")
    assert "1 passed" in run(project, marked.replace("import pgmap", "import pytest"))[1]


def test_it_works_without_a_cache(project: Path) -> None:
    code, told = run(project, FAILS, "-p", "no:cacheprovider")
    assert code == 1
    assert "token: pgm" in told
    assert kept(project) == []
