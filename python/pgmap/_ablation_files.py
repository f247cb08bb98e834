"""Programs for `pgmap.ablate` about files: whose a block is, and what it holds.

Files share blocks, and blocks come back at once, for the device is full.
"""

from __future__ import annotations

FILES: dict[str, str] = {
    "two files grow": """
file f 1
file g 1
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 g 0 1 rw shared
w0 ftruncate f 0 | w0 ftruncate f 1 | w0 ftruncate g 0 | w0 ftruncate g 1
start
w0 w 0 0
w1 w 0 0
""",
    "two files shrink": """
file f 1 written
file g 1 written
start
w0 ftruncate f 0
w1 ftruncate g 0
""",
    "a hole is filled twice": """
file f 1
file h 8
w0 mmap 0 f 0 1 rw shared
w0 ftruncate f 0 | w0 ftruncate f 1
w1 mmap 0 f 0 1 rw shared
start
w0 w 0 0
w1 pwrite f 0 1 | w1 w 0 0
""",
    "unwritten is written": """
file f 1 unwritten
w0 mmap 0 f 0 1 rw shared
start
w0 store 0 0 7 | w0 madvise 0 4 0 | w0 load 0 0
expect w0.3 = 7
""",
    "huge unwritten is written": """
file f 4 unwritten huge
w0 mmap 0 f 0 4 rw shared
start
w0 store 0 1 7 | w0 madvise 0 4 1 | w0 load 0 1
expect w0.3 = 7
""",
    "what was there before": """
file f 1 written
file h 8
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 store 0 0 7 | w0 ftruncate f 0 | w0 ftruncate f 1
start
w0 store 0 0 9
w1 load 0 0
never w1.1 = 7
""",
    "what was there before, zeroed": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w0 store 0 0 7 | w0 zerorange f 0 1
start
w0 store 0 0 9
w1 load 0 0
never w1.1 = 7
""",
    "a write to what is cut": """
file f 2 written
file g 1
file h 8
w0 mmap 0 f 0 2 rw shared
w1 mmap 0 g 0 1 rw shared
w1 ftruncate g 0 | w1 ftruncate g 1
start
w0 pwrite f 1 1
w1 ftruncate f 0 | w1 store 0 0 7 | w1 load 0 0
expect w1.3 = 7
""",
    "a write to what is punched": """
file f 2 written
file g 1
file h 8
w0 mmap 0 f 0 2 rw shared
w1 mmap 0 g 0 1 rw shared
w1 ftruncate g 0 | w1 ftruncate g 1
start
w0 pwrite f 1 1
w1 punch f 0 2 | w1 store 0 0 7 | w1 load 0 0
expect w1.3 = 7
""",
    "a copy of what is cut": """
file f 1 written
file g 1
file h 8
w0 mmap 0 f 0 1 rw private | w0 thread 2
w1 mmap 0 g 0 1 rw shared
w1 ftruncate g 0 | w1 ftruncate g 1
start
w0 store 0 0 5
w1 ftruncate f 0 | w1 store 0 0 7
w2 load 0 0
never w2.1 = 7
""",
    "a copy of a page": """
file f 2 written
w1 mmap 0 f 0 2 rw shared | w1 store 0 1 7
w0 mmap 0 f 0 2 rw private
w0 thread 2
start
w0 store 0 1 5
w2 load 0 1
expect w2.1 = 5 or w2.1 = 7
""",
    "bound for writes": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
start
w0 unbind | w0 bind | w0 pwrite f 0 1 | w0 w 0 0
expect w0.3 = 4096 and w0.4 = ok
""",
    "open is not unmounted": """
file f 1 written
w0 open 0 f rw | w0 unlink f
start
w0 umount
expect w0.1 = EBUSY
""",
    "three at an entry": """
file f 1 unwritten
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
start
w0 w 0 0
w1 w 0 0
w2 pwrite f 0 1
""",
    "three at an entry, unbound": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
start
w0 w 0 0
w1 w 0 0
w2 unbind
""",
    "offline and touch": """
file f 1 written
w0 mmap 0 f 0 1 rw shared | w0 store 0 0 7
w1 mmap 0 f 0 1 rw shared
start
w0 madvise 0 101 0
w1 load 0 0 | w1 pwrite f 0 1
expect w1.1 = 7
""",
    "offline and write": """
file f 2 written
w0 mmap 0 f 0 2 rw shared | w0 w 0 0 2
start
w0 madvise 0 101 1 | w0 load 0 1
w1 pwrite f 1 1
""",
    "two unlink": """
file f 1 written
start
w0 unlink f
w1 unlink f
""",
    "open and unlink": """
file f 1 written
start
w0 open 0 f rw | w0 pread 0 0 1
w1 unlink f
""",
    "a pipe at both ends": """
file f 2 written
w0 mmap 0 f 0 2 rw shared | w0 w 0 0 2 | w0 pipe 0 | w0 pipe 1
w0 fork 1
start
w0 vmsplice 0 0 0 2
w1 drain 0 2
""",
    "a pipe filled by two": """
file f 2 written
w0 mmap 0 f 0 2 rw shared | w0 w 0 0 2 | w0 pipe 0 | w0 pipe 1
w0 fork 1
start
w0 vmsplice 0 0 0 1
w1 vmsplice 0 0 1 1 | w1 drain 0 2
""",
    "a pipe emptied by two": """
file f 2 written
w0 mmap 0 f 0 2 rw shared | w0 w 0 0 2 | w0 pipe 0 | w0 pipe 1
w0 vmsplice 0 0 0 2 | w0 fork 1
start
w0 drain 0 1
w1 drain 0 1
""",
    "a tee and a drain": """
file f 2 written
w0 mmap 0 f 0 2 rw shared | w0 w 0 0 2 | w0 pipe 0 | w0 pipe 1
w0 vmsplice 0 0 0 1 | w0 fork 1
start
w0 tee 0 1 1
w1 drain 0 1 | w1 drain 1 1
""",
    "a clone is read": """
file f 1 written
file g 1 written
w0 mmap 0 f 0 1 rw shared | w0 store 0 0 7
w1 mmap 0 g 0 1 rw shared
start
w0 reflink g f | w0 store 0 0 8
w1 load 0 0
never w1.1 = 8
""",
    "a clone is cut": """
file f 1 written
file g 1 written
w0 mmap 0 f 0 1 rw shared | w0 store 0 0 7
w1 mmap 0 g 0 1 rw shared
w0 reflink g f | w0 r 0 0 | w1 r 0 0
start
w0 store 0 0 8 | w0 load 0 0
w1 ftruncate g 0
expect w0.2 = 8
""",
    "cloned and grown": """
file f 2 written
file g 1 written
w0 mmap 0 g 0 2 rw shared
start
w0 reflink g f | w0 r 0 1
expect w0.2 = ok
""",
    "an unlinked clone": """
file f 1 written
file g 1 written
w0 reflink g f | w0 mmap 0 f 0 1 rw shared
start
w0 store 0 0 9 | w0 load 0 0
w1 unlink g
expect w0.2 = 9
""",
    "two writes to a device": """
file f 1 written
w0 mmap 0 f 0 1 rw shared | w0 w 0 0 | w0 open 0 /dev/nullb0 rw
w1 mmap 0 f 0 1 rw shared | w1 w 0 0 | w1 open 0 /dev/nullb0 rw
start
w0 dio_write 0 0 0 1
w1 dio_write 0 0 0 1
sleep
""",
    "a read from a device": """
file f 1 written
w0 mmap 0 f 0 1 rw shared | w0 w 0 0 | w0 open 0 /dev/nullb0 rw
start
w0 dio_read 0 0 0 1
w1 punch f 0 1
sleep
""",
    "bound again and busy": """
file f 1 written
w1 unbind | w1 bind
w0 mmap 0 f 0 1 rw shared | w0 w 0 0 | w0 pin 0 0
start
w0 unpin
w1 unbind
""",
    "ext4: unbound while faulting": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
start
w0 w 0 0 | w0 munmap 0
w1 unbind
""",
    "ext4: unbound while read": """
file f 1 written
start
w0 pread f 0 1
w1 unbind
""",
    "cloned while another is cut": """
file f 1 written
file g 1 written
file h 1 written
w0 reflink g f
start
w0 reflink h f
w1 ftruncate g 0
""",
    "unbind waits for nobody": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
start
w0 w 0 0
w1 unbind
expect w1.1 = ok
""",
    "a write is read": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
start
w0 pwrite f 1 1 | w0 load 0 1
expect w0.2 = 1
""",
    "a write to a clone is read": """
file f 2 written
file g 2 written
w0 mmap 0 f 0 2 rw shared | w0 reflink g f
start
w0 pwrite f 1 1 | w0 load 0 1
expect w0.2 = 1
""",
    "looked at while leaving": """
file f 1 written
w0 mmap 0 f 0 1 rw shared | w0 w 0 0
w1 mmap 0 f 0 1 rw shared
start
w1 pvmread 0 0 0 1
w0 exit
""",
    "leaving with two who look": """
file f 1 written
w0 mmap 0 f 0 1 rw shared | w0 w 0 0 | w0 thread 3
start
w1 pvmread 0 0 0 1
w2 pvmread 3 0 0 1
w0 exit
w3 exit
""",
    "mapped while cut": """
file f 1 written
start
w0 mmap 0 f 0 1 rw shared | w0 w 0 0 | w0 munmap 0
w1 mmap 0 f 0 1 rw shared | w1 munmap 0
""",
    "three wait, unbound": """
file f 1 written
w0 mmap 0 f 0 1 rw shared
w1 mmap 0 f 0 1 rw shared
w2 mmap 0 f 0 1 rw shared
start
w0 w 0 0
w1 w 0 0
w2 w 0 0
w3 unbind
""",
    "a name twice": """
file f 1 written
start
w0 open 0 f rw | w0 close 0
w1 unlink f
""",
    "a writable file": """
file f 1 written
start
w0 open 0 f rw | w0 pwrite 0 0 1 | w0 mmap 0 0 0 1 rw shared | w0 w 0 0
expect w0.2 = 4096 and w0.4 = ok
""",
    "a partly unmapped file": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w1 mmap 0 f 0 2 rw shared
start
w0 munmap 0 0 1 | w0 munmap 0 1 1
w1 munmap 0 1 1
""",
    "a huge clone": """
file f 4 written huge
file g 4 huge
w0 mmap 0 f 0 4 rw shared | w0 store 0 1 7 | w0 reflink g f | w0 r 0 0
start
w0 store 0 1 8 | w0 load 0 2 | w0 load 0 1 | w0 munmap 0
w1 ftruncate g 0
expect w0.3 = 8
""",
    "a clone is given up": """
file f 1 written
file g 1 written
w0 reflink g f
start
w0 pwrite f 0 1
w1 unbind
""",
    "a huge clone, two who write": """
file f 4 written huge
file g 4 huge
w0 mmap 0 f 0 4 rw shared | w0 reflink g f | w0 r 0 0
w1 mmap 0 f 0 4 rw shared
start
w0 w 0 1
w1 w 0 1
w2 pwrite f 1 1
""",
    "clones are read at once": """
file f 1 written
file g 1 written
w0 mmap 0 f 0 1 rw shared | w0 reflink g f
w1 mmap 0 g 0 1 rw shared
start
w0 r 0 0
w1 r 0 0
""",
    "a clone goes, one comes": """
file f 1 written
file g 1 written
w0 mmap 0 f 0 1 rw shared | w0 reflink g f
w1 mmap 0 g 0 1 rw shared
w0 r 0 0
start
w0 ftruncate f 0
w1 r 0 0 | w1 munmap 0
""",
    "three clones": """
file f 1 written
file g 1 written
file h 1 written
w0 mmap 0 f 0 1 rw shared | w0 reflink g f | w0 reflink h f
w1 mmap 0 g 0 1 rw shared
w2 mmap 0 h 0 1 rw shared
w0 r 0 0
start
w1 r 0 0
w2 r 0 0
""",
    "three fall back": """
file f 4
w0 mmap 0 f 0 4 rw shared
w1 mmap 0 f 0 4 rw shared
w2 mmap 0 f 0 4 rw shared
start
w0 w 0 0
w1 w 0 1
w2 w 0 2
""",
    "two bind": """
file f 1 written
w0 unbind
start
w0 bind
w1 bind
never w0.1 = ENOMEM or w1.1 = ENOMEM
""",
    "huge, read and written": """
file f 4 written huge
w0 mmap 0 f 0 4 rw shared | w0 r 0 0
start
w0 w 0 1
w1 pread f 0 1
""",
}
