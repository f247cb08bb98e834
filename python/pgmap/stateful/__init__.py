"""Stateful tests of races: rules that Hypothesis draws, on a World and a plain model of it.

`RaceMachine` is the base of a test; `Model` is what it compares a World with, in plain Python that
can be checked by eye. Needs Hypothesis: ``pip install 'pgmap[hypothesis]'``.
"""

try:
    import hypothesis as _hypothesis
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "pgmap.stateful needs Hypothesis: pip install 'pgmap[hypothesis]'", name=error.name
    ) from None

from pgmap.stateful.machine import RaceMachine, SequentialModel
from pgmap.stateful.model import Model
from pgmap.stateful.things import Refused, Sleeping

del _hypothesis

__all__ = ["Model", "RaceMachine", "Refused", "SequentialModel", "Sleeping"]
