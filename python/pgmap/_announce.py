"""A finding is told the moment it exists, before anything is made of it.

Shrinking and telling come afterwards and may be long. By then the finding has been printed, stands
in the JSON file, and is what the command ends with even if a second signal ends it at once.
"""

from __future__ import annotations

from pgmap._core_explore import ExploreProgress, HuntProgress, ReproduceProgress
from pgmap._output import Output
from pgmap._signals import Signals
from pgmap._tell import found_words


class Announcer:
    """Looks at glances for the first finding."""

    def __init__(self, out: Output, signals: Signals) -> None:
        self._out = out
        self._signals = signals
        self._told = False

    def __call__(self, glance: ExploreProgress | HuntProgress | ReproduceProgress) -> None:
        """Tell the finding of this glance, unless it was told or the whole report is there."""
        found = glance["found"]
        if found is None or self._told or glance["done"]:
            return
        self._told = True
        self._out.result(f"Found: {found_words(self._out, found)}; making it small")
        self._out.result(f"Token: {found['token']}")
        self._out.facts.update(found=dict(found), token=found["token"], complete=False)
        self._out.keep()
        self._signals.found(self._out.leave)
