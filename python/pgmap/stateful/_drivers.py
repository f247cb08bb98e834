"""Drivers of the model: who has which page, and what is on a free list."""

from __future__ import annotations

from pgmap.driver import Driver
from pgmap.stateful._references import References
from pgmap.stateful.things import Refused


class Drivers(References):
    """A driver is its free list: a page that is put comes first, as `push` and `pop` have it."""

    def __init__(self) -> None:
        super().__init__()
        self.free: dict[str, list[int]] = {}
        self.driven: dict[int, list[tuple[str, int]]] = {}
        """Pages that each worker took, in that order; whoever leaves leaves them here."""

    def load_driver(self, driver: Driver) -> None:
        """Every page of a driver is free at first."""
        self.free[driver.name] = list(range(driver.pages))

    def drv_alloc(self, worker: int, driver: str) -> int:
        self.running(worker)
        if not self.free[driver]:
            raise Refused("ENOMEM")
        page = self.free[driver].pop(0)
        self.driven.setdefault(worker, []).append((driver, page))
        return page

    def drv_put(self, worker: int) -> int:
        """The page that was taken last."""
        self.running(worker)
        if not self.driven.get(worker):
            raise Refused("ENXIO")
        driver, page = self.driven[worker].pop()
        self.free[driver].insert(0, page)
        return 0
