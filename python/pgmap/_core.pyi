from typing import TypedDict, type_check_only

from pgmap._core_api import Conformance

__all__ = ["build_info", "conform", "version"]

@type_check_only
class _BuildInfo(TypedDict):
    version: str
    debug_assertions: bool
    arch: str
    os: str
    pointer_width: int

def version() -> str: ...
def build_info() -> _BuildInfo: ...
def conform(text: str, era: str | None = None) -> Conformance: ...
