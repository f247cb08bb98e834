"""What the kernel would do, told by who owns what.

Plain Python, one caller at a time. No count is kept anywhere: a refcount is the number of owners, a
mapcount the number of entries that map the page, an order what the file's entry says. Facts are
those of fsdax since v6.15 with its known races mended (kernel facts 2 to 5 and 14):

* a page is mapped by PTEs or, where file, address and device agree, by a PMD, which takes the whole
  folio; a folio is made at the first fault and taken apart when its entry goes;
* every mapping is one reference; a get is one per page; a pin is `PIN_BIAS` on a small folio, and
  one reference and one pin on a large one;
* holes and unwritten blocks read as the shared zero page, which belongs to nobody;
* whatever takes blocks away first unmaps the whole file, sleeps while a page has an owner that is
  not a mapping, and then deletes every entry of the file;
* what is written without a value is the number of the file's page;
* a driver of one's own gives out the page that was put last.

A call that may sleep is a generator: it yields while it sleeps.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from pgmap._operations import Argument, by_word, read
from pgmap.stateful._drivers import Drivers
from pgmap.stateful.things import Sleeping

if TYPE_CHECKING:
    from pgmap import World


class Model(Drivers):
    """A machine to compare a World with; `pgmap.stateful.RaceMachine` does."""

    def do(self, step: str) -> Sleeping:
        """Does a step of a worker, written as in a program; yields while it sleeps.

        `TypeError` if the model does not know it.
        """
        worker, word, given = read(step)
        arguments = by_word("worker")[word].arguments
        values = {a.name: _value(a, it) for a, it in zip(arguments, given, strict=True)}
        if word in ("r", "w"):
            return self.touch(worker, values["map"], values["page"], values["pages"], word == "w")
        call = getattr(self, word, None)
        if call is None:
            raise TypeError(f"the model does not know {word}")
        done = call(worker, *values.values())
        if isinstance(done, Generator):
            return (yield from done)
        return done

    def learn(self, world: World) -> None:
        """Learns which blocks were given out."""
        for name, file in self.files.items():
            for index, block in file.blocks.items():
                if block.pfn is None:
                    page = world.page(name, index)
                    assert page is not None, f"page {index} of {name} is a hole"
                    block.pfn = page.pfn

    def differences(self, world: World) -> Iterator[str]:
        """Every word of every page that a World has and that an owner does not explain."""
        for name, file in self.files.items():
            if world.size(name) != file.size:
                yield f"size of {name}: {world.size(name)}, model {file.size}"
            written = {e.page: e.written for e in world.extents(name)}
            expected = {i: b.written for i, b in file.blocks.items()}
            if written != expected:
                yield f"blocks of {name}: {written}, model {expected}"
        taken: set[int] = set()
        for file in self.reachable():
            for index, block in file.blocks.items():
                if block.pfn is None:
                    continue
                if block.pfn in taken:
                    yield f"frame {block.pfn} has two owners"
                taken.add(block.pfn)
                page = world.frame(block.pfn)
                for word, wanted in vars(self.counts(file, index)).items():
                    seen = getattr(page, word)
                    if seen != wanted:
                        yield f"{word} of page {index}: {seen}, model {wanted} ({page})"
        if world.frame(0).refcount != self.zero_page_refs():
            yield f"the zero page: {world.frame(0)}, model {self.zero_page_refs()}"


def _value(argument: Argument, text: str | None) -> Any:
    """An argument as the methods take it."""
    if text is None or text == "-":
        return None
    if argument.kind == "part":
        page, pages = text.split()
        return int(page), int(pages)
    if argument.kind == "worker":
        return int(text.removeprefix("w"))
    return int(text, 0) if text[0].isdecimal() else text
