"""`help()` teaches: nothing public is without a docstring, and what a docstring shows runs."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
import unittest
from collections.abc import Iterator
from types import ModuleType

import pytest

from pgmap import World
from pgmap._operations import operations

PUBLIC = ("", ".build", ".driver", ".errors", ".results", ".stateful", ".strategies", ".verdicts")
MODULES = [importlib.import_module(f"pgmap{name}") for name in PUBLIC]
SHOWING = [*MODULES, importlib.import_module("pgmap.stateful.machine")]


def public(module: ModuleType) -> Iterator[tuple[str, object]]:
    """What a module exports that is pgmap's own, with the methods and properties of classes."""
    names = getattr(module, "__all__", None) or [it for it in vars(module) if it[0] != "_"]
    for name in names:
        thing = getattr(module, name)
        if not getattr(thing, "__module__", "").startswith("pgmap"):
            continue
        yield name, thing
        if inspect.isclass(thing):
            for method, it in vars(thing).items():
                if method[0] != "_" and (callable(it) or inspect.isdatadescriptor(it)):
                    yield f"{name}.{method}", it


def documented(thing: object) -> bool:
    """Slots of data classes are documented by their class."""
    return inspect.ismemberdescriptor(thing) or bool(inspect.getdoc(thing))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_nothing_public_is_without_a_docstring(module: ModuleType) -> None:
    assert [name for name, thing in public(module) if not documented(thing)] == []


def test_what_has_no_docstring_is_noticed() -> None:
    class Bare:
        def does(self) -> None: ...

    assert not documented(Bare.does)
    assert documented(World.mmap)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_no_signature_hides_its_defaults(module: ModuleType) -> None:
    for name, thing in public(module):
        if inspect.isroutine(thing):
            parameters = inspect.signature(thing).parameters.values()
            assert all(it.default is not Ellipsis for it in parameters), name


def of_operations() -> list[str]:
    """Methods of a World that say what an operation of the table does."""
    sentences = {" ".join(op.sentence.split()) for op in operations()}
    docs = {name: inspect.getdoc(method) or "" for name, method in vars(World).items()}
    return [
        name for name, doc in docs.items() if " ".join(doc.split("\n\n")[0].split()) in sentences
    ]


def test_each_method_of_a_world_that_is_an_operation_tells_its_arguments_and_errors() -> None:
    assert {"mmap", "pin", "ftruncate", "dio_write", "fork", "unbind"} <= set(of_operations())
    for name in of_operations():
        doc = inspect.getdoc(getattr(World, name)) or ""
        told = re.findall(r"^ {4}(\w+): ", doc, re.MULTILINE)
        asked = list(inspect.signature(getattr(World, name)).parameters)[1:]
        assert [it for it in asked if it not in told and it != "pages"] == [], (name, told)
        assert [it for it in told if it not in asked] == [], name
    assert "Errors: ENOENT, EINTR" in (World.ftruncate.__doc__ or "")


def examples(module: ModuleType) -> list[str]:
    """Indented blocks behind a line that ends in two colons."""
    blocks = re.findall(r"::\n\n((?: {4}.*\n|\n)+)", (inspect.getdoc(module) or "") + "\n")
    return [textwrap.dedent(block) for block in blocks]


SHOWN = [(module.__name__, block) for module in SHOWING for block in examples(module)]


@pytest.mark.parametrize(("name", "block"), SHOWN, ids=[name for name, _ in SHOWN])
def test_what_a_docstring_shows_runs(name: str, block: str) -> None:
    names: dict[str, object] = {"__name__": "shown"}
    exec(compile(block, name, "exec"), names)
    for key, it in names.items():
        if key.startswith("test_") and callable(it):
            it()
        elif inspect.isclass(it) and issubclass(it, unittest.TestCase):
            done = unittest.defaultTestLoader.loadTestsFromTestCase(it).run(unittest.TestResult())
            assert (done.testsRun, done.wasSuccessful()) == (1, True), done.failures + done.errors


def test_examples_are_found() -> None:
    assert {"pgmap.build", "pgmap.strategies", "pgmap.stateful.machine"} <= {it for it, _ in SHOWN}
