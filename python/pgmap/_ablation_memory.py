"""Programs for `pgmap.ablate` about anonymous memory, and memory of a device."""

from __future__ import annotations

MEMORY: dict[str, str] = {
    "memory is zero": """
w0 anon 0 1 | w0 store 0 0 7 | w0 munmap 0 | w0 anon 1 1 | w0 thread 1
start
w0 store 1 0 5
w1 load 1 0
never w1.1 = 7
""",
    "huge memory is zero": """
w0 anonhuge 0 4 | w0 store 0 1 7 | w0 munmap 0 | w0 anonhuge 1 4
start
w0 r 1 0 | w0 w 1 0 | w0 load 1 1
expect w0.3 = 0
""",
    "a child's at the device": """
w0 anon 0 1 | w0 store 0 0 7
w0 hmm_todev 0 0 0 1 | w0 fork 1
start
w0 load 0 0 | w0 store 0 0 8
w1 load 0 0 | w1 store 0 0 9 | w1 load 0 0
expect w0.1 = 7 and w1.1 = 7 and w1.3 = 9
""",
    "moved while touched": """
w0 anon 0 1 | w0 store 0 0 7
w0 fork 1
start
w0 hmm_todev 0 0 0 1
w1 load 0 0 | w1 store 0 0 9 | w1 load 0 0
expect w1.1 = 7 and w1.3 = 9
""",
    "read by the device": """
w0 anon 0 1 | w0 store 0 0 7
w0 hmm_todev 0 0 0 1 | w0 fork 1
start
w0 hmm_read 0 0 0 1
w1 load 0 0
expect w0.1 = 7 and w1.1 = 7
""",
    "the device goes": """
w0 anon 0 1 | w0 store 0 0 7
w0 hmm_todev 0 0 0 1
start
w0 load 0 0
w1 hmm_release 0
expect w0.1 = 7
""",
    "the device is open": """
w0 open 0 /dev/hmm_dmirror0 rw
start
w0 close 0
w1 hmm_unload
""",
    "the device is open still": """
w0 open 0 /dev/hmm_dmirror0 rw
start
w0 hmm_unload
expect w0.1 = EBUSY
""",
    "the device was open": """
w0 open 0 /dev/hmm_dmirror0 rw | w0 close 0
start
w0 hmm_unload
expect w0.1 = ok
""",
    "the device is a child's": """
w0 open 0 /dev/hmm_dmirror0 rw | w0 fork 1 | w0 close 0
start
w1 hmm_unload
expect w1.1 = EBUSY
""",
    "allocated from two": """
start
w0 dev_alloc 0 1 | w0 dev_put 0
w1 dev_alloc 0 1 | w1 dev_put 0
""",
    "a huge page to a device": """
w0 anonhuge 0 4 | w0 store 0 1 7
start
w0 hmm_todev 0 0 0 4 | w0 load 0 1
expect w0.2 = 7
""",
    "a huge child": """
w0 anonhuge 0 4 | w0 store 0 1 7
w0 fork 1
start
w0 hmm_todev 0 0 0 4 | w0 load 0 1
w1 load 0 1 | w1 store 0 1 9 | w1 load 0 1
expect w0.2 = 7 and w1.1 = 7 and w1.3 = 9
""",
    "a huge page is split under a move": """
w0 anonhuge 0 4 | w0 store 0 1 7
w0 fork 1
start
w0 hmm_todev 0 0 0 4
w1 split_huge_pages 0 1 | w1 munmap 0 0 1
""",
    "a huge page is forked": """
w0 anonhuge 0 4 | w0 store 0 1 7
start
w0 fork 1 | w0 store 0 1 8 | w0 load 0 1
w1 load 0 1
expect w0.3 = 8
never w1.1 = 8 or w1.1 = 0
""",
    "a page moves while forked": """
w0 anon 0 1 | w0 store 0 0 7
w0 fork 1
start
w0 fork 2
w1 hmm_todev 0 0 0 1
w2 load 0 0
never w2.1 = 0
""",
    "a huge page moves while forked": """
w0 anonhuge 0 4 | w0 store 0 1 7
w0 fork 1
start
w0 fork 2
w1 hmm_todev 0 0 0 4
w2 load 0 1
never w2.1 = 0
""",
    "two regions": """
start
w0 dev_alloc 0 8 | w0 dev_put 0 | w0 dev_put 4
w1 dev_alloc 4 4 | w1 dev_put 4
""",
    "two ask for one": """
start
w0 dev_alloc 0 4 | w0 dev_put 0
w1 dev_alloc 0 4 | w1 dev_put 0
""",
    "the device goes while used": """
w0 anon 0 1 | w0 store 0 0 7
start
w0 hmm_todev 0 0 0 1
w1 hmm_release 0
""",
    "the driver goes while used": """
w0 anon 0 1 | w0 store 0 0 7
start
w0 hmm_todev 0 0 0 1
w1 hmm_unload
""",
    "a registered page": """
w0 anon 0 1 | w0 w 0 0
start
w0 uring_reg 0 0 1 | w0 uring_unreg | w0 uring_reg 0 0 1
w1 hmm_release 0
""",
    "an untouched page": """
w0 anon 0 1 | w0 store 0 0 7 | w0 munmap 0 | w0 anon 1 1
start
w0 hmm_todev 0 1 0 1 | w0 load 1 0
expect w0.2 = 0
""",
    "a huge copy is written": """
w0 anonhuge 0 4 | w0 w 0 0 | w0 fork 2 | w2 exit
start
w0 store 0 0 8 | w0 load 0 0
w1 nop
expect w0.2 = 8
""",
}
