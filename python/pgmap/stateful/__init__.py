"""Stateful tests of races: rules that Hypothesis draws, on a World and a plain model of it.

`RaceMachine` is the base of a test; `Model` is what it compares a World with, in plain Python that
can be checked by eye; `linearizable` holds every outcome of a program against it. Needs Hypothesis:
``pip install 'pgmap[hypothesis]'``.
"""

try:
    import hypothesis as _hypothesis
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "pgmap.stateful needs Hypothesis: pip install 'pgmap[hypothesis]'", name=_error.name
    ) from None

from pgmap.stateful._linearizable import Explanation, Linearized, linearizable
from pgmap.stateful.machine import RaceMachine, SequentialModel
from pgmap.stateful.model import Model
from pgmap.stateful.things import Refused, Sleeping

del _hypothesis

__all__ = [
    "Explanation",
    "Linearized",
    "Model",
    "RaceMachine",
    "Refused",
    "SequentialModel",
    "Sleeping",
    "linearizable",
]
