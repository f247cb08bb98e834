"""Steps without which nothing breaks, and why that is so.

A step that nothing misses is redundant, or a check or a program is lacking. Each says which.
"""

from __future__ import annotations

REDUNDANT: dict[str, str] = {}
