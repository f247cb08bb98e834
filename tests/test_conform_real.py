"""`python -m pgmap.conform` on recordings of real kernels, with the real core."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import children
from pgmap import _core, errors
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap.conform import Conform
from ran import Ran, Runner

TRACES = Path(__file__).parent / "fixtures" / "traces"
FOLDER = TRACES / "6.16"
# The era of each kernel, and how many recordings of it are equal.
KERNELS = {"6.1": ("v6.1", 58), "6.12": ("v6.12", 58), "6.16": ("v6.15", 58), "7.2": ("v7.2", 79)}
RECORDINGS = sorted(FOLDER.glob("*.json"))
NAMES = [path.stem for path in RECORDINGS]

Recording = dict[str, Any]


def load(name: str) -> Recording:
    value = json.loads((FOLDER / f"{name}.json").read_text())
    assert isinstance(value, dict)
    return value


def compare(run: Runner, *arguments: str) -> Ran:
    return run(Conform(), *arguments, core=core())


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_model_does_what_the_kernel_did(kernel: str) -> None:
    era, many = KERNELS[kernel]
    files = sorted((TRACES / kernel).glob("*.json"))
    assert len(files) == many
    for file in files:
        recording = json.loads(file.read_text())
        result = _core.conform(file.read_text())
        assert result["difference"] is None, file
        assert result["unsupported"] == [], file
        assert result["equal"]
        assert (result["era"], result["nearest"]) == (era, False)
        assert result["steps"] == len(recording["steps"])
        words = sum(
            len(page) for step in recording["steps"] for page in step.get("pages", {}).values()
        )
        assert result["compared"] > words


def test_a_folder_of_recordings_is_equal_from_the_command_line() -> None:
    command = [sys.executable, "-m", "pgmap.conform", str(TRACES)]
    done = children.run(command)
    assert done.returncode == Exit.OK, done.stdout + done.stderr
    many = sum(many for _, many in KERNELS.values())
    assert done.stdout.splitlines()[-1] == f"Result: {many} equal of {many} recordings"


def alterations(recording: Recording) -> Iterator[tuple[str, int, Recording]]:
    """Yield altered copies, one of each kind, with the step at which that must show."""
    steps = recording["steps"]
    watched = [n for n, step in enumerate(steps) if n and step.get("pages")]
    middle = watched[len(watched) // 2]
    asked = next(n for n, step in enumerate(steps) if step.get("who") and n >= middle)

    def altered(what: str, n: int, words: Recording, *page: str) -> tuple[str, int, Recording]:
        copied = copy.deepcopy(recording)
        target = copied["steps"][n]["pages"][page[0]] if page else copied["steps"][n]
        target.update(words)
        return what, n, copied

    for page, words in steps[middle]["pages"].items():
        for word in ("ref", "map", "order", "large_map", "entire_map", "pin", "tail_of"):
            if words.get(word) is not None:
                yield altered(f"{word} of {page}", middle, {word: words[word] + 1}, page)
        yield altered(f"share of {page}", middle, {"share": words.get("share", 0) + 1}, page)
        for flag in ("mapping", "va_elsewhere", "gone"):
            yield altered(f"{flag} of {page}", middle, {flag: not words.get(flag, False)}, page)
        names = [*words.get("mapped_by", []), "w9/m0"]
        yield altered(f"mapped_by of {page}", middle, {"mapped_by": names}, page)
    ret = steps[asked].get("ret", 0)
    yield altered("ret", asked, {"ret": ret - 1})
    for flag in ("blocked", "in_flight", "died"):
        yield altered(flag, asked, {flag: not steps[asked].get(flag, False)})
    yield altered("completes_at", asked, {"completes_at": len(steps)})
    completed = [*steps[asked].get("completed_now", []), {"step": 1, "actor": "w0", "ret": 0}]
    yield altered("completed_now", asked, {"completed_now": completed})
    yield altered("still_blocked", asked, {"still_blocked": "w9"})


@pytest.mark.parametrize("name", NAMES)
def test_any_altered_word_is_a_difference_at_its_step(
    name: str, run: Runner, tmp_path: Path
) -> None:
    expected: dict[str, tuple[str, int]] = {}
    for number, (what, step, recording) in enumerate(alterations(load(name))):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(recording))
        expected[str(path)] = (what, step)
    ran = compare(run, str(tmp_path), "--json", "-")
    assert ran.exit is Exit.FOUND
    assert len(ran.json["files"]) == len(expected) > 10
    for entry in ran.json["files"]:
        what, step = expected[entry["file"]]
        assert entry["exit"] == Exit.FOUND, what
        assert entry["difference"]["step"] == step, what


def test_the_first_difference_is_told_side_by_side(run: Runner, tmp_path: Path) -> None:
    recording = load("ext4_gup_vmsplice")
    recording["steps"][7]["pages"]["0"]["ref"] = 7
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(recording))
    ran = compare(run, str(path))
    assert ran.exit is Exit.FOUND
    assert "first difference at step 7: w0 vmsplice 0 0 0 1" in ran.stdout
    differing = [line.split() for line in ran.lines if line.endswith("<- differs")]
    assert ["page", "0", "ref", "7", "2", "<-", "differs"] in differing
    assert any(line.split()[:3] == ["page", "1", "ref"] for line in ran.lines)


def test_a_kernel_that_no_era_describes_takes_the_newest_before_it_and_that_is_said(
    run: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "later.json"
    # Counts began at one in 6.7, and what is recorded of a later kernel differs.
    for kernel, era, code in (("7.9.1", "v7.2", Exit.OK), ("6.7.1", "v6.1", Exit.FOUND)):
        path.write_text(json.dumps(load("xfs_pte_lifecycle") | {"kernel": kernel}))
        ran = compare(run, str(path), "--json", "-")
        assert ran.exit is code
        [entry] = ran.json["files"]
        assert (entry["era"], entry["nearest"]) == (era, True)
        told = f"no era describes kernel {kernel}: {era} is the newest before it"
        assert told in compare(run, str(path)).stdout
        # Who names an era need not be told.
        assert "no era describes" not in compare(run, "--era", "v6.15", str(path)).stdout


def test_a_recording_of_a_kernel_before_every_era_is_not_supported(
    run: Runner, tmp_path: Path
) -> None:
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(load("xfs_pte_lifecycle") | {"kernel": "4.19.300"}))
    ran = compare(run, str(path))
    assert ran.exit is Exit.UNSUPPORTED
    assert "kernel 4.19.300: it is older than every era" in ran.stdout


def test_sound_rules_part_from_the_kernel_where_it_forgot_a_wake_up(run: Runner) -> None:
    path = FOLDER / "ext4_refault_while_truncating.json"
    ran = compare(run, "--era", "v6.15-sound", str(path))
    assert ran.exit is Exit.FOUND
    assert "w1 ftruncate 0 0" in ran.stdout


def leaving(number: int, after: Recording) -> Recording:
    """A process leaves with a page of a nameless file in its pipe, as it was forced on 7.2."""
    idle, mapped = {"ref": 0, "map": 0, "order": 0}, {"ref": 1, "map": 1, "order": 0}
    held = {"ref": 1, "map": 0, "order": 0, "mapping": True}
    used = mapped | {"mapping": True, "mapped_by": ["w0/m0"]}
    asked: list[tuple[list[str], int, Recording]] = [
        (["spawn"], 0, idle),
        (["open", "0", "f", "rw"], 0, idle),
        (["dupto", "0", str(number)], number, idle),
        (["mmap", "0", "0", "0", "16", "rw", "shared", "odd"], 0, idle),
        (["w", "0", "1"], 0, used),
        (["pipe", "0"], 0, used),
        (["vmsplice", "0", "0", "1", "1"], 4096, used | {"ref": 2}),
        (["munmap", "0"], 0, held),
        (["unlink", "f"], 0, held),
        (["exit"], 0, after),
    ]
    steps: list[Recording] = [{"n": 0, "op": "baseline", "pages": {"0": idle, "1": idle}}]
    for n, ((op, *args), ret, page) in enumerate(asked, 1):
        told: Recording = {"args": args} if args else {}
        told |= {"ret": ret} if ret else {}
        steps.append({"n": n, "op": op, "who": "w0", **told, "pages": {"0": idle, "1": page}})
    return {
        "schema": "pgmap-trace/1",
        "kernel": "6.18.15",
        "scenario": f"leaving {number}",
        "description": "own pipe holds a page of an unlinked file",
        "family": "ext4",
        "file": "f 16 written ret 0",
        "steps": steps,
    }


def test_who_leaves_waits_for_its_own_pipe_if_the_file_is_above_it(
    run: Runner, tmp_path: Path
) -> None:
    asleep = {"ref": 1, "map": 0, "order": 0, "mapping": True}
    gone = {"ref": 0, "map": 0, "order": 0}
    path = tmp_path / "forced.json"

    def compared(era: str, number: int, after: Recording) -> Exit:
        path.write_text(json.dumps(leaving(number, after)))
        return compare(run, "--era", era, str(path)).exit

    # The index that stays behind in an era that does not clear it.
    assert compared("v6.15", 3, gone | {"share": 1}) is Exit.OK
    assert compared("v6.15", 200, asleep) is Exit.OK
    assert compared("v6.15-sound", 200, asleep) is Exit.FOUND
    assert compared("v6.15-sound", 200, gone) is Exit.OK


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", errors.RecordingError),
        ("[]", errors.RecordingError),
        ('{"schema": "pgmap-trace/2"}', errors.RecordingError),
        (json.dumps(load(NAMES[0]) | {"surprise": 1}), errors.RecordingError),
    ],
)
def test_what_is_no_recording_is_refused_with_a_sentence(text: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        _core.conform(text)
    assert len(str(caught.value)) > 10


def test_an_unknown_era_is_refused() -> None:
    with pytest.raises(errors.EraError, match=r"v6\.15"):
        _core.conform(RECORDINGS[0].read_text(), "v9.9")


def test_many_python_threads_compare_at_once() -> None:
    texts = [path.read_text() for path in RECORDINGS[:8]]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(_core.conform, chain(texts, texts)))
    assert all(result["equal"] for result in results)
