"""Programs for `pgmap.ablate` that take the steps which no program of the catalogue takes.

Some say what must come of them: a step may be there for nothing but what a call returns.
"""

from __future__ import annotations

_DRIVER = (
    "driver d 2 alloc lock(l) pop unlock(l) init_page pagemap_get set_count(1)"
    " page_free lock(l) push unlock(l)\n"
)
_MAPPED = "file f 1\nw0 mmap 0 f 0 1 rw shared\nw0 w 0 0\n"
_TWO = "file f 2\nw0 mmap 0 f 0 2 rw shared\nw1 mmap 0 f 0 2 rw shared\n"
_HUGE = "file f 4 huge\nw0 mmap 0 f 0 4 rw shared\n"

PROGRAMS: dict[str, str] = {
    "a device's data": _TWO
    + """start
w0 w 0 0 2 | w0 load 0 0 | w0 munmap 0
w1 store 0 0 7 | w1 pin 0 0 | w1 dma_write | w1 unpin
""",
    "a store is read": _MAPPED
    + """start
w0 store 0 0 7 | w0 load 0 0 | w0 pin 0 0 w | w0 dma_write - 9 | w0 unpin | w0 load 0 0
expect w0.2 = 7 and w0.6 = 9
""",
    "direct writes": """
file f 2
w0 mmap 0 f 0 2 rw shared
w0 w 0 0 2
w0 open 0 /dev/nullb0 rw
start
w0 dio_write 0 0 0 2
w1 ftruncate f 0
sleep
""",
    "timed writes": """
file f 1
w0 mmap 0 f 0 1 rw shared
w0 w 0 0
w0 open 0 /dev/nullb0 rw
start
w0 dio_write 0 0 0 1 1
w1 ftruncate f 0
sleep
""",
    "a driver of its own": _DRIVER + "w0 drv_alloc d\nstart\nw0 drv_put\nw1 drv_alloc d\n",
    "a driver that counts": _DRIVER.replace("pop", "pop add(n,1) load(n)")
    + "start\nw0 drv_alloc d\nw1 drv_alloc d\nexpect w0.1 = 1 or w1.1 = 1\n",
    "a driver that marks": _DRIVER.replace("pop", "pop store(n,5) load(n)")
    + "start\nw0 drv_alloc d\nw1 drv_alloc d\nexpect w0.1 = 5 and w1.1 = 5\n",
    "two that allocate": _DRIVER
    + "start\nw0 drv_alloc d | w0 drv_put\nw1 drv_alloc d | w1 drv_put\n",
    "a device's pages": """
w0 dev_alloc 0 4
start
w0 dev_get 1 | w0 dev_put 1 | w0 dev_put 0
w1 dev_alloc 4 2 | w1 dev_put 4
""",
    "a folio is taken apart": """
w0 dev_alloc 0 4
start
w0 try_get 2 | w0 unpin
w1 split 0 2 | w1 dev_put 0 | w1 dev_put 2
""",
    "a mapped folio is taken apart": """
w0 anonhuge 0 4
w0 w 0 0
w0 fork 1
start
w0 split_huge_pages 0 1
w1 munmap 0 1 1 | w1 r 0 0
""",
    "a device's pages at once": """
start
w0 dev_alloc 0 2 | w0 dev_put 0
w1 dev_alloc 1 2 | w1 dev_put 1
""",
    "a pipe": """
file f 2
w0 mmap 0 f 0 2 rw shared
w0 w 0 0 2
w0 pipe 0 | w0 pipe 1
start
w0 vmsplice 0 0 0 2 | w0 tee 0 1 1 | w0 drain 0 1 | w0 drain 1 1
w1 ftruncate f 0
""",
    "a pipe of two": _MAPPED
    + """w0 pipe 0 | w0 vmsplice 0 0 0 1
w0 fork 1
start
w0 drain 0 1
w1 drain 0 1 | w1 exit
""",
    "a pipe is emptied once": _MAPPED
    + """w0 pipe 0 | w0 vmsplice 0 0 0 1
start
w0 drain 0 1
expect w0.1 = 4096
""",
    "a child": _MAPPED + "start\nw0 fork 1 | w0 munmap 0\nw1 w 0 0 | w1 exit\n",
    "a copy of its own": """
file f 1 written
w0 mmap 0 f 0 1 rw private
start
w0 store 0 0 7 | w0 load 0 0
w1 pwrite f 0 1
expect w0.2 = 7
""",
    "a copy is read first": """
file f 1 written
w0 mmap 0 f 0 1 rw private
start
w0 r 0 0 | w0 store 0 0 7 | w0 load 0 0 | w0 munmap 0
w1 ftruncate f 0
""",
    "a copy is shared": """
file f 1 written
w0 mmap 0 f 0 1 rw private
w0 store 0 0 7
start
w0 fork 1 | w0 store 0 0 8 | w0 load 0 0
w1 load 0 0 | w1 store 0 0 9 | w1 load 0 0 | w1 exit
expect w0.3 = 8
never w1.1 = 8 or w1.3 = 8
""",
    "a mapping moves": _MAPPED
    + "w0 store 0 0 7\nstart\nw0 mremap 0 | w0 load 0 0\nw1 ftruncate f 0\n",
    "a table moves": """
file f 4
w0 mmap 0 f 0 4 rw shared
w0 w 0 0 4
start
w0 mremap 0 | w0 w 0 1 | w0 munmap 0
w1 ftruncate f 0
""",
    "a huge page moves": _HUGE + "w0 w 0 0\nstart\nw0 mremap 0 | w0 munmap 0\nw1 ftruncate f 0\n",
    "a number again": """
file f 1 written
w0 open 0 f rw
start
w0 dupto 0 7 | w0 close 0
""",
    "an unlinked file": """
file f 1
w0 open 0 f rw | w0 mmap 0 0 0 1 rw shared | w0 w 0 0 | w0 fork 1
w0 unlink f
start
w0 close 0 | w0 munmap 0
w1 exit
""",
    "a name goes": """
file f 1
start
w0 unlink f | w0 open 0 f rw
expect w0.2 = ENOENT
""",
    "another's memory": _MAPPED + "w1 mmap 0 f 0 1 rw shared\nstart\nw1 pvmread 0 0 0 1\nw0 exit\n",
    "a registered buffer": _MAPPED + "start\nw0 uring_reg 0 0 1\nw1 ftruncate f 0\n",
    "huge beside small": _HUGE
    + """w1 mmap 0 f 0 4 rw shared odd
w0 w 0 0
start
w0 pin 0 0 2 | w0 unpin | w0 munmap 0
w1 w 0 1 | w1 munmap 0
""",
    "a huge page is cut": _HUGE
    + "w0 w 0 0 | w0 pin 0 0 4\nstart\nw0 unpin | w0 w 0 0\nw1 ftruncate f 0\n",
    "a huge page in parts": _HUGE + "w0 w 0 0\nstart\nw0 munmap 0 1 2 | w0 w 0 3\nw1 punch f 0 4\n",
    "huge data": _HUGE + "w0 w 0 0 4\nstart\nw0 store 0 1 5 | w0 load 0 1\nw1 punch f 0 4\n",
    "entries dropped": _TWO
    + "w0 w 0 0 2\nstart\nw0 madvise 0 4 0 | w0 w 0 0\nw1 load 0 0 | w1 pin 0 0 | w1 unpin\n",
    "a page moves": _MAPPED + "start\nw0 madvise 0 101 0\nw1 pwrite f 0 1 | w1 ftruncate f 0\n",
    "a page moves under a fault": _MAPPED
    + """w1 mmap 0 f 0 1 rw shared
start
w0 madvise 0 101 0
w1 w 0 0 | w1 pin 0 0 | w1 unpin
""",
    "a moved page": _MAPPED
    + "w0 store 0 0 7\nstart\nw0 madvise 0 101 0 | w0 load 0 0\nexpect w0.2 = 7\n",
    "reads and writes": """
file f 2 written
start
w0 pwrite f 0 1 | w0 pread f 0 1
w1 punch f 0 1 | w1 zerorange f 1 1
""",
    "a write beside a cut": """
file f 1
start
w0 pwrite f 0 1
w1 ftruncate f 0 | w1 ftruncate f 1
""",
    "two cuts": _MAPPED + "start\nw0 ftruncate f 0\nw1 ftruncate f 0 | w1 ftruncate f 1\n",
    "two holes": _MAPPED + "start\nw0 punch f 0 1\nw1 zerorange f 0 1 | w1 pwrite f 0 1\n",
    "a cut is a cut": _MAPPED + "start\nw0 ftruncate f 0 | w0 w 0 0\nexpect w0.2 = SIGBUS\n",
    "a file grows": _MAPPED.replace("f 0 1", "f 0 2")
    + "start\nw0 ftruncate f 2 | w0 w 0 1\nexpect w0.2 = ok\n",
    "a write grows a file": _MAPPED.replace("f 0 1", "f 0 2")
    + "start\nw0 pwrite f 1 1 | w0 w 0 1\nexpect w0.2 = ok\n",
    "a hole reads zero": _MAPPED
    + "w0 store 0 0 7\nstart\nw0 punch f 0 1 | w0 load 0 0\nexpect w0.2 = 0\n",
    "zeros read zero": _MAPPED
    + "w0 store 0 0 7\nstart\nw0 zerorange f 0 1 | w0 load 0 0\nexpect w0.2 = 0\n",
    "blocks go round": """
file f 8
w0 mmap 0 f 0 8 rw shared
w0 w 0 0 8
start
w0 ftruncate f 0 | w0 ftruncate f 8 | w0 w 0 0 8
expect w0.3 = ok
""",
    "two want blocks": """
file f 1
file g 1
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 g 0 1 rw shared
start
w0 w 0 0
w1 w 0 0
""",
    "one file, two writers": "file f 2 unwritten\nstart\nw0 pwrite f 0 1\nw1 pwrite f 0 2\n",
    "unwritten": """
file f 1 unwritten
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
start
w0 r 0 0 | w0 w 0 0
w1 w 0 0
""",
    "a hole is read": _TWO.replace("file f 2", "file f 2 unwritten")
    + "w0 ftruncate f 0 | w0 ftruncate f 2\nstart\nw0 r 0 0 | w0 w 0 0\nw1 r 0 0 | w1 w 0 0\n",
    "unmounted": _MAPPED + "w0 pin 0 0 | w0 munmap 0\nstart\nw0 unpin\nw1 umount\n",
    "bound again": """
file f 1 written
w0 mmap 0 f 0 1 r shared
w0 r 0 0
start
w0 r 0 0
w1 unbind | w1 bind
""",
    "unbound": """
file f 1 written
w0 mmap 0 f 0 1 r shared
start
w0 unbind | w0 r 0 0 | w0 pread f 0 1
expect w0.2 = SIGBUS and w0.3 != ok
""",
    "unbound while faulting": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
start
w0 w 0 0 | w0 pread f 0 1
w1 unbind
""",
    "two unbind": "file f 1 written\nstart\nw0 unbind\nw1 unbind | w1 bind\n",
    "mapped and unmapped": _MAPPED
    + """w1 mmap 0 f 0 1 rw shared
start
w0 munmap 0 | w0 mmap 1 f 0 1 rw shared | w0 w 1 0
w1 ftruncate f 0 | w1 munmap 0
""",
    "unmapped is unmapped": _MAPPED + "start\nw0 munmap 0 | w0 w 0 0\nexpect w0.2 = EINVAL\n",
    "gets and pins": _TWO
    + """w0 w 0 0 2
start
w0 get 0 0 | w0 unpin | w0 pin 0 0 w | w0 dma_write | w0 dma_read | w0 unpin
w1 pwrite f 0 1
""",
    "slow pins": _TWO + "start\nw0 pin 0 0 2 | w0 unpin\nw1 ftruncate f 0\n",
    "pins in another's memory": _TWO + "start\nw0 pin 0 0 w | w0 unpin\nw1 w 0 0 | w1 munmap 0\n",
    "killed": _MAPPED + "w0 pin 0 0\nstart\nw0 kill\nw1 ftruncate f 0\n",
}

_EXT4 = {"holder": "none"}
RULES: dict[str, dict[str, str]] = {
    "ext4: unbound while faulting": _EXT4,
    "ext4: unbound while read": _EXT4,
}
"""Where a program's file system is another one: ext4 tells nobody that the device goes."""
