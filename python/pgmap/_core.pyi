from typing import TypedDict, type_check_only

__all__ = ["build_info", "version"]

@type_check_only
class _BuildInfo(TypedDict):
    version: str
    debug_assertions: bool
    arch: str
    os: str
    pointer_width: int

def version() -> str: ...
def build_info() -> _BuildInfo: ...
