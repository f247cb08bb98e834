"""A plugin for pytest: a budget for searches, failures that can be pasted, tokens that are kept.

It is there once pgmap is installed. The fixture `pgmap_explore` is `pgmap.explore` with the options
of the command line as its defaults::

    def test_truncate_waits(pgmap_explore):
        pgmap_explore(PROGRAM).assert_holds()

A failure shows the report, the token and a test to paste in a section of its own. What failed is
kept in pytest's cache: such tests run first the next time, and their executions before any search.
Tests marked ``@pgmap.race("NAME")`` must find that race of the catalogue, and pass if they do;
tests marked ``pgmap_thorough`` run with ``--pgmap-thorough`` only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from pgmap import _core
from pgmap._paste import to_paste
from pgmap._search import explore, found_of
from pgmap.build import text_of
from pgmap.errors import DoesNotHold, PgmapError, RaceError
from pgmap.verdicts import Found, Verdict

SEARCHES = pytest.StashKey["Searches"]()
FAILED_BEFORE = pytest.StashKey[set[str]]()
FAILED = "pgmap_failed"
"""What failed the last time, among what a worker of pytest-xdist is told."""
THOROUGH_PREEMPTIONS = 3
KEPT = "pgmap"
"""The folder of pytest's cache."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of searches."""
    group = parser.getgroup("pgmap", "searches of interleavings")
    group.addoption("--pgmap-era", metavar="ERA", help="era of searches that name none")
    group.addoption(
        "--pgmap-preemptions", type=int, metavar="N", help="bound of searches that name none"
    )
    group.addoption(
        "--pgmap-schedules", type=int, metavar="N", help="most schedules of a search that has none"
    )
    group.addoption(
        "--pgmap-seconds", type=float, metavar="S", help="seconds of a search that has no limit"
    )
    group.addoption(
        "--pgmap-thorough",
        action="store_true",
        help=f"searches up to {THOROUGH_PREEMPTIONS} preemptions, and tests marked pgmap_thorough",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    config.addinivalue_line("markers", "pgmap_race(name): must find this race of the catalogue")
    config.addinivalue_line("markers", "pgmap_thorough: runs with --pgmap-thorough only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is for thorough runs, and begin with what failed."""
    if not config.getoption("--pgmap-thorough"):
        skip = pytest.mark.skip(reason="needs --pgmap-thorough")
        for item in items:
            if item.get_closest_marker("pgmap_thorough"):
                item.add_marker(skip)
    failed = failed_before(config)
    items.sort(key=lambda item: item.nodeid not in failed)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what failed: all must put the tests in the same order.

    One that takes the place of a worker that died collects when tests have run already.
    """
    node.workerinput[FAILED] = sorted(failed_before(node.config))


def failed_before(config: pytest.Config) -> set[str]:
    """The tests that failed the last time, as they were when this run began."""
    told = getattr(config, "workerinput", {}).get(FAILED)
    if told is not None:
        return set(told)
    if FAILED_BEFORE not in config.stash:
        config.stash[FAILED_BEFORE] = {kept["test"] for kept in Kept.of(config).every()}
    return config.stash[FAILED_BEFORE]


# --- tokens that are kept ------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """Tokens of what failed, a file each: several processes and threads write at a time."""

    folder: Path | None

    @classmethod
    def of(cls, config: pytest.Config) -> Kept:
        """Those of this project; none without pytest's cache."""
        cache = getattr(config, "cache", None)
        return cls(None if cache is None else Path(cache.mkdir(KEPT)))

    def every(self) -> list[dict[str, str]]:
        """All of them."""
        files = sorted(self.folder.glob("*.json")) if self.folder else []
        return [kept for path in files if (kept := self.read(path)) is not None]

    def read(self, file: Path) -> dict[str, str] | None:
        """What is kept there, if anything still is: another process may have seen it hold."""
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def write(self, file: Path, kept: dict[str, str]) -> None:
        """In one step, so that nobody reads half of it; each writer's half is a file of its own."""
        with NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as half:
            json.dump(kept, half)
        Path(half.name).replace(file)

    def file(self, test: str, asked: dict[str, Any]) -> Path | None:
        """Where the token of a question is kept."""
        question = json.dumps([test, asked], sort_keys=True, default=str)
        name = hashlib.sha256(question.encode()).hexdigest()[:32]
        return None if self.folder is None else self.folder / f"{name}.json"


# --- searches ------------------------------------------------------------------------------------


@dataclass
class Searches:
    """The searches of one test, and what they found."""

    test: str
    defaults: dict[str, Any]
    kept: Kept
    found: list[Found] = field(default_factory=list)

    def __call__(self, program: Any = None, **options: Any) -> Verdict:
        """As `pgmap.explore`, which takes the same."""
        asked = {**self.defaults, **options}
        text = text_of(program, asked.pop("setup", None), asked.pop("workers", None))
        file = self.kept.file(self.test, {"program": text, **asked})
        again = self._again(file)
        verdict = explore(text, **asked) if again is None else again
        if isinstance(verdict, Found):
            self.found.append(verdict)
        self._keep(file, verdict)
        return verdict

    def _again(self, file: Path | None) -> Found | None:
        """What failed the last time, if it still does."""
        kept = None if file is None else self.kept.read(file)
        if kept is None:
            return None
        try:
            told = _core.replay(kept["token"])
        except PgmapError:  # of another version: the search will tell
            return None
        found = told["found"]
        return None if told["outcome"] != "reproduced" or found is None else found_of(found)

    def _keep(self, file: Path | None, verdict: Verdict) -> None:
        if file is None:
            return
        if isinstance(verdict, Found):
            self.kept.write(file, {"test": self.test, "token": verdict.token})
        else:
            file.unlink(missing_ok=True)


@pytest.fixture
def pgmap_explore(request: pytest.FixtureRequest) -> Searches:
    """`pgmap.explore` with the defaults of the command line; what fails runs first next time."""
    option = request.config.getoption
    thorough = THOROUGH_PREEMPTIONS if option("--pgmap-thorough") else None
    given = {
        "era": option("--pgmap-era"),
        "preemptions": option("--pgmap-preemptions") or thorough,
        "schedules": option("--pgmap-schedules"),
        "seconds": option("--pgmap-seconds"),
    }
    defaults = {name: value for name, value in given.items() if value is not None}
    searches = Searches(request.node.nodeid, defaults, Kept.of(request.config))
    request.node.stash[SEARCHES] = searches
    return searches


# --- what comes of a test ------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a test that must find a race pass if it does, and fail if it does not."""
    marker = item.get_closest_marker("pgmap_race")
    race = None if marker is None else _race(*marker.args)
    try:
        result = yield
    except DoesNotHold as failure:
        if race is not None and _is(race, failure.verdict):
            return None
        failure.args = (_line(failure.verdict),)
        raise
    if race is not None:
        pytest.fail(f"the race {race['name']} was not found", pytrace=False)
    return result


def _line(verdict: object) -> str:
    """A verdict in a line; the section has all of it."""
    return str(verdict.finding if isinstance(verdict, Found) else verdict)


def _race(name: str) -> Any:
    races = [race for race in _core.catalogue()["known"] if name in (race["name"], race["number"])]
    if not races:
        raise RaceError(f"no race that a program shows is called {name!r}")
    return races[0]


def _is(race: Any, verdict: Any) -> bool:
    """Whether a verdict is what the race breaks."""
    return isinstance(verdict, Found) and verdict.finding.invariant == race["invariant"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what was found to the report of a test that failed."""
    report = yield
    if report.when == "call" and report.failed and call.excinfo is not None:
        searches = item.stash.get(SEARCHES, None)
        # Several threads may have found the same.
        told: list[Any] = list({it.token: it for it in searches.found}.values()) if searches else []
        error = call.excinfo.value
        if isinstance(error, DoesNotHold) and error.verdict not in told:
            told.append(error.verdict)
        report.sections += [("pgmap", to_paste(verdict)) for verdict in told]
    return report
