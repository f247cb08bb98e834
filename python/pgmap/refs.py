"""`PercpuRef`: a reference of a world's own as an object, for any number of threads.

What block queues, md, io_uring and control groups count with: its owner kills it, and waits until
everybody who has a reference has put it. A protocol of such references is written down for the
explorer with the same words, ``ref_tryget_live 0`` and its like (docs/refcounts.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from pgmap import _core
from pgmap.errors import KernelError

__all__ = ["PercpuRef"]


@dataclass(frozen=True)
class PercpuRef:
    """One of a world's four refs, alive from the start by its owner's reference."""

    world: _core.World
    number: int = 0
    worker: int = 0
    """Whose calls they are, in what is told of them."""

    def get(self) -> None:
        """Take a reference unasked: whoever does so has one already."""
        self.world.ref_get(self.worker, self.number)

    def tryget(self) -> bool:
        """Take a reference as long as anybody has one; whether there was one."""
        return self._taken(live=False)

    def tryget_live(self) -> bool:
        """Take a reference until the ref is killed; whether there was one."""
        return self._taken(live=True)

    def put(self) -> None:
        """Give one back; the last one releases the ref, once that was killed."""
        self.world.ref_put(self.worker, self.number)

    def kill(self) -> None:
        """Drop the owner's reference; from here on `tryget_live` refuses."""
        self.world.ref_kill(self.worker, self.number)

    def wait(self) -> None:
        """Sleep until the ref has been released."""
        self.world.ref_wait(self.worker, self.number)

    def resurrect(self) -> None:
        """Bring a killed ref back to life, whoever has references still."""
        self.world.ref_resurrect(self.worker, self.number)

    def _taken(self, *, live: bool) -> bool:
        ask = self.world.ref_tryget_live if live else self.world.ref_tryget
        try:
            ask(self.worker, self.number)
        except KernelError as refused:
            if refused.name != "ENODEV":
                raise
            return False
        return True
