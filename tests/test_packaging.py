"""What the installed package carries."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pgmap
from pgmap import _core

INSTALLED = Path(pgmap.__file__).parent


def test_the_package_is_typed_and_its_core_has_stubs() -> None:
    assert (INSTALLED / "py.typed").is_file()
    assert (INSTALLED / "_core.pyi").is_file()


def test_one_version_everywhere() -> None:
    assert pgmap.__version__ == _core.version() == metadata.version("pgmap")
    assert _core.build_info()["version"] == pgmap.__version__


def test_the_licence_is_declared_and_shipped() -> None:
    facts = metadata.metadata("pgmap")
    assert facts["License-Expression"] == "MIT OR Apache-2.0"
    assert set(facts.get_all("License-File") or []) == {"LICENSE-MIT", "LICENSE-APACHE"}


def test_rich_is_the_only_dependency_and_only_for_terminals() -> None:
    needed = [r for r in metadata.requires("pgmap") or [] if "extra ==" not in r]
    assert [r.split(">")[0] for r in needed] == ["rich"]


def test_the_build_under_test_is_a_release_build() -> None:
    assert _core.build_info()["debug_assertions"] is False
