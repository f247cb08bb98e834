"""What holds for every command: help, JSON, exit codes, streams."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

import children
import pgmap
from fake_core import FakeCore, FakeStress
from fake_reports import conformance, stress_report, violation
from pgmap import errors
from pgmap.__main__ import COMMANDS, main
from pgmap._cli import Command, Outcome, Unsupported
from pgmap._exit import Exit, table, worst
from pgmap._output import Output, json_target
from pgmap.conform import Conform
from pgmap.stress import Stress
from ran import Runner

each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda c: str(c.name))


@each_command
def test_help_teaches_with_examples_and_the_exit_codes(command: Command, run: Runner) -> None:
    ran = run(command, "--help")
    assert ran.exit is Exit.OK
    assert f"python -m pgmap.{command.name}" in ran.stdout
    assert "examples:" in ran.stdout
    assert table() in ran.stdout


@each_command
def test_the_version_is_the_packages(command: Command, run: Runner) -> None:
    assert run(command, "--version").stdout == f"pgmap {pgmap.__version__}\n"


@each_command
def test_a_usage_error_is_one_sentence_and_exit_2(command: Command, run: Runner) -> None:
    ran = run(command, "--no-such-option")
    assert ran.exit is Exit.USAGE
    assert ran.stdout == ""
    assert ran.stderr.splitlines()[-1] == f"try: python -m pgmap.{command.name} --help"


@each_command
@pytest.mark.parametrize("form", [["--json", "-"], ["--json=-"]])
@pytest.mark.parametrize("words", [["--no-such-option"], ["--help"], ["--version"]])
def test_with_json_on_stdout_there_is_one_object_whatever_happens(
    command: Command, form: list[str], words: list[str], run: Runner
) -> None:
    ran = run(command, *form, *words)
    assert ran.json["command"] == command.name
    assert ran.json["schema"] == f"pgmap-{command.name}/1"
    assert ran.json["ok"] is (ran.exit is Exit.OK)
    assert ran.json["exit"] == ran.exit
    assert ran.json["seconds"] >= 0


def test_a_usage_error_is_in_the_json_too(run: Runner) -> None:
    ran = run(Stress(), "--json", "-", "--for", "soon")
    assert ran.exit is Exit.USAGE
    assert "'soon' is not a duration" in ran.json["error"]["message"]


def test_a_json_file_that_cannot_be_written_fails_before_the_work(
    run: Runner, tmp_path: Path
) -> None:
    core = FakeCore()
    ran = run(Stress(), "--json", str(tmp_path / "no" / "such.json"), core=core)
    assert ran.exit is Exit.USAGE
    assert "cannot write" in ran.stderr
    assert core.asked == []


def test_a_json_file_gets_the_object_and_stdout_the_words(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    ran = run(Stress(), "--json", str(path))
    assert json.loads(path.read_text())["command"] == "stress"
    assert "Result: no violation" in ran.stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.EraError("no era 'v9'; there are v6.15, v6.15-sound"), Exit.USAGE),
        (errors.RuleError("no rule 'x'"), Exit.USAGE),
        (errors.InvalidArgument("no mix 'x'"), Exit.USAGE),
        (errors.NoMemory("1 TiB of page words"), Exit.UNSUPPORTED),
        (Unsupported("one cpu only"), Exit.UNSUPPORTED),
        (errors.HangDetected("stuck", ["w0 for page 3"], ["w1"]), Exit.HANG),
        (errors.DeadlineExceeded("stuck", ["w0 for page 3"], ["w1"]), Exit.HANG),
        (errors.ReplayImpossible("schema 9"), Exit.REPLAY_IMPOSSIBLE),
        (errors.InternalError("index out of bounds"), Exit.INTERNAL),
        (ZeroDivisionError(), Exit.INTERNAL),
        (BaseException("a panic that is no Exception"), Exit.INTERNAL),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_failure_has_its_exit_code(error: BaseException, code: Exit, run: Runner) -> None:
    ran = run(Stress(), "--json", "-", "--seed", "7", core=FakeCore(raises=error))
    assert ran.exit is code
    assert ran.json["ok"] is False
    # As text: a u64 is more than a JSON number carries in many readers.
    seed = ran.json["config"]["seed"]
    assert int(seed, 16) == 7, "the seed is in every artifact, failures included"


def test_an_internal_error_says_so_and_shows_where(run: Runner) -> None:
    ran = run(Stress(), core=FakeCore(raises=errors.InternalError("slot 3 is gone")))
    assert "internal error, please report it: slot 3 is gone" in ran.stderr
    assert "Traceback" in ran.stderr


def test_a_users_mistake_shows_no_traceback(run: Runner) -> None:
    ran = run(Stress(), core=FakeCore(raises=errors.EraError("no era 'v9'")))
    assert ran.stderr == "pgmap stress: no era 'v9'\n"


def test_the_most_serious_outcome_wins() -> None:
    assert worst([Exit.OK, Exit.INTERRUPTED, Exit.FOUND]) is Exit.FOUND
    assert worst([Exit.UNSUPPORTED, Exit.USAGE, Exit.OK]) is Exit.USAGE
    assert worst([Exit.NOTHING_RAN, Exit.OK]) is Exit.NOTHING_RAN
    assert worst([Exit.FOUND, Exit.INTERNAL]) is Exit.INTERNAL
    assert worst([]) is Exit.NOTHING_RAN


def test_every_exit_code_has_a_place_and_a_meaning() -> None:
    assert {int(code) for code in Exit} == {0, 1, 2, 3, 4, 5, 6, 70, 125, 130, 143}
    assert all(worst([code]) is code and code.meaning for code in Exit)


@pytest.mark.parametrize(
    ("environment", "option", "coloured"),
    [
        ({}, "auto", False),
        ({"FORCE_COLOR": "1"}, "auto", True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False),
        ({"NO_COLOR": "1"}, "always", True),
        ({"FORCE_COLOR": "1"}, "never", False),
    ],
)
def test_colour_follows_the_option_then_the_environment(
    environment: dict[str, str],
    option: str,
    coloured: bool,
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    core = FakeCore(stress=FakeStress(stress_report(violations=[violation()])))
    assert ("\x1b[" in run(Stress(), "--color", option, core=core).stdout) is coloured


@each_command
def test_help_breaks_lines_between_words_only(
    command: Command, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = set(run(command, "--help").stdout.split())
    for columns in range(60, 90):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert set(run(command, "--help").stdout.split()) <= words, columns


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_a_name_that_the_stream_cannot_show_is_shown_escaped(encoding: str, tmp_path: Path) -> None:
    done = children.run(
        [sys.executable, "-m", "pgmap.conform", str(tmp_path / "h\u00e9\u4e2d.json")],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        encoding=encoding,
    )
    assert done.returncode == Exit.USAGE
    shown = "h\u00e9\u4e2d.json".encode(encoding, "backslashreplace")
    assert shown.decode(encoding) in done.stdout


def test_the_overview_survives_a_reader_that_goes_away() -> None:
    with children.child([sys.executable, "-m", "pgmap"]) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(60) == Exit.OK


def test_python_m_pgmap_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    words = capsys.readouterr().out
    assert all(command.name in words and command.summary in words for command in COMMANDS)


def test_a_misspelt_command_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stres"]) == 2
    assert "did you mean stress?" in capsys.readouterr().err


def test_a_command_is_dispatched_with_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "no-such-file.json"]) == 2
    assert "no-such-file.json" in capsys.readouterr().out


def test_a_reader_that_goes_away_does_not_change_the_verdict(tmp_path: Path) -> None:
    script = tmp_path / "many.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from fake_core import *\n"
        "from fake_reports import *\n"
        "from pgmap._cli import run_command\n"
        "from pgmap.stress import Stress\n"
        "found = [violation(page=n) for n in range(5000)]\n"
        "core = FakeCore(stress=FakeStress(stress_report(violations=found)))\n"
        "sys.exit(run_command(Stress(), [], core))\n"
    )
    with children.child([sys.executable, str(script)]) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(60) == Exit.FOUND


def test_the_modules_run_as_programs() -> None:
    for command in COMMANDS:
        words = ["-W", "error", "-m", f"pgmap.{command.name}", "--version"]
        done = children.run([sys.executable, *words], check=True)
        assert done.stdout == f"pgmap {pgmap.__version__}\n"
        assert done.stderr == ""


def test_quiet_keeps_the_result_and_drops_the_rest(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text("one")
    core = FakeCore(recordings={"one": conformance()})
    assert run(Conform(), "-q", str(path), core=core).lines == ["Result: 1 equal of 1 recording"]


def test_words_after_two_dashes_are_no_options() -> None:
    assert json_target(["--json", "-", "--", "--json", "file"]) == "-"
    assert json_target(["--", "--json", "-"]) is None
    assert json_target(["--json=a", "--json", "b"]) == "b"


def test_a_result_that_cannot_be_written_does_not_hide_what_was_found(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Output, _envelope: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Output, "emit", full)
    words = ("--json", "-")
    found = FakeCore(stress=FakeStress(stress_report(violations=[violation()])))
    ran = run(Stress(), *words, core=found)
    assert ran.exit is Exit.FOUND
    assert "cannot write -: No space left on device" in ran.stderr
    assert run(Stress(), *words).exit is Exit.USAGE


def test_what_a_command_says_does_not_change_how_it_ended(run: Runner) -> None:
    class Boasting(Stress):
        def run(self, *_: object) -> Outcome:
            return Outcome(Exit.FOUND, {"ok": True, "exit": 0, "command": "none", "more": 1})

    ran = run(Boasting(), "--json", "-")
    printed = json.loads(ran.stdout)  # of no shape that stress knows
    told = {name: printed[name] for name in ("ok", "exit", "command", "more")}
    assert told == {"ok": False, "exit": Exit.FOUND, "command": "stress", "more": 1}
