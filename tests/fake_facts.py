"""What a core that only answers knows: a small catalogue, and a few facts of each kind."""

from __future__ import annotations

from typing import Any

from pgmap._core_facts import Catalogue, Facts, KnownRule, Race

PROGRAM = "file f 1\nw0 mmap 0 f 0 1 rw shared\nstart\nw0 munmap 0\nw1 ftruncate f 0\n"


def race(rule: str, value: str, invariant: str | None, note: str, **changes: Any) -> Race:
    base: Race = {
        "name": rule,
        "number": None,
        "title": f"{rule} is wrong",
        "kind": "race",
        "era": "v6.15-sound",
        "wrong": [(rule, value)],
        "right": [],
        "invariant": invariant,
        "sources": ["a thread"],
        "note": note,
        "teaches": "Who is first, and who comes too late.",
        "rule": rule,
        "value": value,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


def known_race(
    rule: str, value: str, invariant: str | None, note: str, **changes: Any
) -> KnownRule:
    base: KnownRule = {
        **race(rule, value, invariant, note),
        "preemptions": 1,
        "needs": "sc",
        "tlb": "on-access",
        "grace_period": False,
        "sizes": {},
        "program": PROGRAM,
    }
    base.update(changes)  # type: ignore[typeddict-item]
    return base


CATALOGUE: Catalogue = {
    "known": [
        known_race("zap-put", "before-flush", "I22", "the page is put before the flush"),
        known_race(
            "evict-wait",
            "none",
            "I18",
            "eviction does not wait",
            preemptions=0,
            kind="sequential",
            number="B13",
        ),
        known_race("zap-clear", "load-store", "I22", "the clear is seen late", needs="tso"),
    ],
    "not_on_x86": [
        {
            **race("gup-grab", "relaxed", "I18", "both miss"),
            "program": PROGRAM,
            "models": ["pinner_and_unmapper"],
        },
    ],
    "not_shown": [
        {**race("share-reset", "kept", "I17", "an old index"), "why": "files cannot share"}
    ],
}


FACTS: Facts = {
    "invariants": [
        {"id": "I01", "sentence": "No counter goes below zero and none wraps."},
        {"id": "I13-weak", "sentence": "Nobody touches the pagemap afterwards."},
        {"id": "I13-strong", "sentence": "Teardown waits for references."},
        {"id": "I22", "sentence": "A page is put by zap only after the flush."},
        {"id": "L3", "sentence": "No retry loop runs for ever."},
    ],
    "eras": [
        {
            "name": "v6.15",
            "summary": "As shipped.",
            "facts": "K§3.7, K§14",
            "base": None,
            "kernels": ("6.15", "6.18"),
            "sound": "v6.15-sound",
            "known": [
                {
                    "id": "B31",
                    "title": "unbind does not wait",
                    "breaks": ["I13-strong"],
                    "rule": ("teardown-pages", "ignore"),
                    "mend": "wait-idle",
                    "operations": ["unbind"],
                    "kernels": "v5.18 and later",
                    "facts": "K§3.3",
                    "source": "recordings *_unbind_ref",
                    "note": "struct pages go under a pin",
                }
            ],
            "told": [],
        },
        {
            "name": "v6.15-sound",
            "summary": "Mended.",
            "facts": "K§3.7",
            "base": "v6.15",
            "kernels": None,
            "sound": "v6.15-sound",
            "known": [],
            "told": [
                {
                    "rule": "teardown-pages",
                    "value": "wait-idle",
                    "how": "derived",
                    "source": "nobody waits",
                },
            ],
        },
    ],
    "rules": [
        {
            "name": "zap-put",
            "summary": "When zap puts.",
            "facts": "K§6.1, B22",
            "values": [
                {
                    "name": "after-flush",
                    "meaning": "after it",
                    "how": "source",
                    "kernels": "every kernel",
                    "source": "mm/mmu_gather.c",
                },
                {
                    "name": "before-flush",
                    "meaning": "before it",
                    "how": "derived",
                    "kernels": "none",
                    "source": "a thought",
                },
            ],
            "base": "after-flush",
            "eras": {"v6.15": "after-flush", "v6.15-sound": "after-flush"},
        }
    ],
    "operations": [
        {
            "words": ["munmap"],
            "by": "worker",
            "sentence": "Unmaps all of a mapping, or some pages of it.",
            "usage": "M [PAGE N]",
            "arguments": [
                {
                    "name": "map",
                    "usage": "M",
                    "kind": "mapping",
                    "role": "ends",
                    "optional": False,
                    "bounds": (0, 63),
                    "words": [],
                }
            ],
            "returns": "zero",
            "errnos": ["EINVAL"],
            "deaths": [],
            "hunted": [
                {
                    "word": "munmap",
                    "text": "munmap 0",
                    "weights": {"user": 1, "taker": 6, "later": 2, "behind": None},
                }
            ],
        },
    ],
    "kinds": [{"name": "mapping", "meaning": "a mapping by its number"}],
    "returns": [{"name": "zero", "meaning": "0"}],
    "primitives": [
        {
            "word": "pop",
            "takes": "nothing",
            "stands": "once_in_alloc",
            "sentence": "Takes the first page off the free list.",
        }
    ],
    "lacking": [{"name": "split_*", "what": "splitting what is mapped"}],
    "errnos": [{"name": "EFAULT", "number": 14, "meaning": "Bad address"}],
}
