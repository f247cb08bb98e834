"""The words of a search's output, each in a line: for ``--help`` and for `pgmap.explain`."""

from __future__ import annotations

import textwrap

GLOSSARY = {
    "point": "a place in an execution where the scheduler decides who goes on",
    "schedule": "one complete execution: which task went on at each point",
    "preemption": "a switch away from a task that could have gone on",
    "bound": "how many preemptions a schedule may have; exhausted when all of those were run",
    "cut": "a schedule given up early, because its state had been explored before",
    "longest": "points of the longest schedule",
    "drawn": "a schedule chosen at random, beyond the bounds or instead of them",
    "class": "schedules that differ only in the order of steps that commute; one stands for all",
    "unseen share": "estimated chance that the next drawn schedule is of a class not seen before",
    "token": "a found execution as text: program, rules, sizes, schedule; pgmap.replay runs it",
    "shrinking": "making what was found small: fewer tasks, steps and switches that still fail",
    "era": "the rules of a range of kernels; NAME-sound has the known races mended",
    "rule": "one decision on which kernels differ; --break RULE=VALUE changes it",
    "known race": "a race that an era shipped with: reported as known, not as news",
    "news": "a failure that is not a known race of the era",
}
SEARCHED = (
    "schedule",
    "point",
    "preemption",
    "bound",
    "cut",
    "longest",
    "drawn",
    "class",
    "unseen share",
    "token",
)


def lines(terms: tuple[str, ...]) -> str:
    """These terms as lines for the help."""
    width = max(map(len, terms))
    told = []
    for term in terms:
        words = textwrap.wrap(GLOSSARY[term], 76 - width, break_on_hyphens=False)
        told += [f"  {term:{width}}  {words[0]}"]
        told += [f"  {'':{width}}  {rest}" for rest in words[1:]]
    return "\n".join(told)
