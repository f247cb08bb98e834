"""Every short name that an output uses can be asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgmap import _glossary
from pgmap._core_api import core
from pgmap._exit import Exit
from pgmap._explore import Explore
from pgmap._race import every
from pgmap._sections import SECTIONS
from pgmap.explain import Explain
from ran import Runner


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("I22", "A page is put by zap only after the flush."),
        ("I22", "broken by zap-put=before-flush: python -m pgmap.explore --break zap-put="),
        ("i1", "I01 invariant: No counter"),
        ("l3", "L3 invariant: No retry loop"),
        ("I13-strong", "broken in v6.15 by B31, unbind does not wait"),
        ("b31", "known race: unbind does not wait"),
        ("B31", "kernels: v5.18 and later"),
        ("zap-put", "zap-put=after-flush: after it (era v6.15, v6.15-sound)"),
        ("zap-put", "kernels, and how that is known: python -m pgmap.rules zap-put"),
        ("b13", "race: evict-wait is wrong (eviction does not wait) wrong: evict-wait=none"),
        ("B13", "what it teaches: python -m pgmap.races show evict-wait"),
        ("B31", "evidence: recordings *_unbind_ref"),
        ("K§5.5", "busy pages, idle pages, and breaking a layout"),
        ("zap_put", "rule: When zap puts."),
        ("zap-put=before-flush", "rule: When zap puts."),
        ("v6.15", "known races: B31"),
        ("munmap", "wN munmap M [PAGE N]"),
        ("split_huge", "splitting what is mapped: not supported yet"),
        ("EFAULT", "14, Bad address"),
        ("K§3.3", "explain B31: known race B31"),
        ("k3.7", "explain v6.15-sound: era v6.15-sound"),
        ("§6.1", "explain zap-put: rule zap-put"),
        ("B22", "explain zap-put: rule zap-put"),
        ("schedules", "schedule word of an output: one complete execution"),
        ("classes", "class word of an output"),
    ],
)
def test_a_name_is_explained(name: str, words: str, run: Runner) -> None:
    ran = run(Explain(), name)
    assert ran.exit is Exit.OK
    assert words in " ".join(ran.stdout.split())


def test_one_number_in_two_strengths_is_both(run: Runner) -> None:
    told = run(Explain(), "--json", "-", "I13").json["entries"]
    assert [entry["name"] for entry in told] == ["I13-weak", "I13-strong"]


def test_a_term_of_two_words_needs_no_quotes(run: Runner) -> None:
    assert run(Explain(), "unseen", "share").stdout == run(Explain(), "unseen share").stdout


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("zap-putt", "did you mean zap-put?"),
        ("munmp", "did you mean munmap?"),
        ("I2", "did you mean I22?"),
        ("B99", "nothing is called 'B99'"),
        ("K§99", "nothing in pgmap refers to K§99"),
        ("wholly-unknown-thing", "python -m pgmap.explain lists what there is"),
    ],
)
def test_an_unknown_name_is_a_usage_error_with_a_hint(name: str, hint: str, run: Runner) -> None:
    ran = run(Explain(), name)
    assert ran.exit is Exit.USAGE
    assert hint in ran.stderr


def test_without_a_name_everything_is_listed(run: Runner) -> None:
    listed = run(Explain()).stdout
    for name in ("I22", "B31", "zap-put", "v6.15", "munmap", "EFAULT", "unseen share"):
        assert re.search(rf"^  {re.escape(name)} ", listed, re.MULTILINE), name


def test_whatever_the_facts_refer_to_is_explained_too(run: Runner) -> None:
    facts = core().facts()
    sources = [rule["facts"] for rule in facts["rules"]]
    sources += [era["facts"] for era in facts["eras"]]
    sources += [race["facts"] for era in facts["eras"] for race in era["known"]]
    codes = set(re.findall(r"K§\d+(?:\.\d+)?|\bB\d+|\b[IL]\d+", " ".join(sources)))
    assert len(codes) > 20
    for code in sorted(codes):
        assert run(Explain(), code, core=core()).exit is Exit.OK, code


def test_the_real_facts_agree_with_the_catalogue(run: Runner) -> None:
    ran = run(Explain(), "I22", core=core())
    assert "broken by zap-put=before-flush" in ran.stdout


def test_every_number_that_a_report_can_name_is_explained(run: Runner) -> None:
    facts, catalogue = core().facts(), core().catalogue()
    named = {race["number"] for race in every(catalogue)} - {None}
    named |= {race["id"] for era in facts["eras"] for race in era["known"]}
    named |= {invariant["id"] for invariant in facts["invariants"]}
    assert {"B31", "B33", "B48", "B50", "B04", "I13-strong", "L2", "P1"} <= named
    for name in sorted(filter(None, named)):
        ran = run(Explain(), name, core=core())
        assert ran.exit is Exit.OK, name
        assert ran.lines[0].startswith(f"{name}  "), name


def test_no_section_of_the_notes_is_left_in_what_is_told(run: Runner) -> None:
    facts = core().facts()
    names = [rule["name"] for rule in facts["rules"]]
    names += [era["name"] for era in facts["eras"]]
    names += [race["id"] for era in facts["eras"] for race in era["known"]]
    for name in names:
        assert "K§" not in run(Explain(), name, core=core()).stdout, name


def test_every_section_that_the_source_cites_has_a_title() -> None:
    here = Path(__file__).parent.parent
    files = [path for path in here.glob("rust/**/*.rs") if "target" not in path.parts]
    cited = {
        section
        for path in [*files, *here.glob("rust/program/eras/*.toml")]
        for section in re.findall(r"K§(\d+(?:\.\d+)?)", path.read_text(encoding="utf-8"))
    }
    assert len(cited) > 30
    assert cited <= set(SECTIONS), sorted(cited - set(SECTIONS))


def test_the_help_of_explore_and_the_readme_use_the_glossary(run: Runner) -> None:
    assert set(_glossary.SEARCHED) <= set(_glossary.GLOSSARY)
    assert all(len(line) <= 80 for line in _glossary.lines(_glossary.SEARCHED).splitlines())
    assert _glossary.lines(_glossary.SEARCHED) in run(Explore(), "--help").stdout
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    for term in _glossary.SEARCHED:
        assert f"| {term} | {_glossary.GLOSSARY[term]} |" in readme
