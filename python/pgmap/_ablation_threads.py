"""Programs for `pgmap.ablate` in which threads of one process meet.

What an mm has, its VMAs, its page tables, the translations that its CPUs remember, and what is
numbered, only they have in common: locks of it are missed by nobody else.
"""

from __future__ import annotations

THREADS: dict[str, str] = {
    "threads: touch together": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
start
w0 w 0 0
w1 w 0 1
""",
    "threads: touch and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
start
w0 w 0 0 2
w1 munmap 0
""",
    "threads: map and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
start
w0 mmap 1 f 0 1 rw shared | w0 w 1 0
w1 munmap 0
""",
    "threads: move and touch": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 mremap 0
w1 w 0 0
""",
    "threads: two move": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 mremap 0
w1 mremap 0
""",
    "threads: move and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 mremap 0
w1 munmap 0 1 1
""",
    "threads: fork and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 fork 2
w1 munmap 0
w2 nop
""",
    "threads: fork and open": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
start
w0 fork 2
w1 open 0 f rw
""",
    "threads: pin and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 pin 0 0 | w0 unpin
w1 munmap 0
""",
    "threads: slow pin and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
start
w0 pin 0 0 2 | w0 unpin
w1 munmap 0
""",
    "threads: drop and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 madvise 0 4 0
w1 munmap 0
""",
    "threads: parts unmapped": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0 2
start
w0 munmap 0 0 1
w1 munmap 0 1 1
""",
    "threads: open and close": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 open 0 f rw
start
w0 close 0
w1 open 0 f rw
""",
    "threads: close twice": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 open 0 f rw
start
w0 close 0
w1 close 0
""",
    "threads: use what is closed": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 open 0 f rw
start
w0 close 0
w1 pwrite 0 0 1
""",
    "threads: two numbers": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
start
w0 open 0 f rw | w0 close 0
w1 open 1 f rw | w1 close 1
""",
    "threads: dup and close": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 open 0 f rw
start
w0 dupto 0 7
w1 close 0
""",
    "threads: pipes of two": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 pipe 0 | w0 w 0 0
start
w0 vmsplice 0 0 0 1
w1 pipe 1 | w1 drain 0 1
""",
    "threads: leave together": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 exit
w1 exit
""",
    "threads: leave and look": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0
start
w0 exit
w1 load 0 0
expect w1.1 = 0
""",
    "threads: device and close": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 open 1 /dev/nullb0 rw | w0 w 0 0
start
w0 dio_write 1 0 0 1 0
w1 close 1 | w1 munmap 0
""",
    "threads: splice and unmap": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0 | w0 pipe 0
start
w0 vmsplice 0 0 0 1 | w0 drain 0 1
w1 munmap 0
""",
    "threads: a huge page": """
w0 anonhuge 0 4
w0 thread 1
start
w0 store 0 0 7 | w0 load 0 0
w1 store 0 1 8 | w1 load 0 1
expect w0.2 = 7 and w1.2 = 8
""",
    "threads: a huge page in parts": """
w0 anonhuge 0 4
w0 thread 1
w0 w 0 0
start
w0 w 0 1
w1 munmap 0 0 1
""",
    "threads: a huge page is split": """
w0 anonhuge 0 4
w0 thread 1
w0 w 0 0
start
w0 split_huge_pages 0 1
w1 munmap 0
""",
    "threads: a huge copy": """
w0 anonhuge 0 4 | w0 store 0 0 7 | w0 fork 2 | w2 exit | w0 thread 1
start
w0 store 0 0 9 | w0 load 0 0
w1 store 0 1 8 | w1 load 0 1
expect w0.2 = 9 and w1.2 = 8
""",
    "threads: a huge page is forked": """
w0 anonhuge 0 4
w0 thread 1
w0 store 0 0 7
start
w0 fork 2
w1 store 0 0 8 | w1 munmap 0
w2 load 0 0
""",
    "threads: a huge file": """
file f 4 huge
w0 mmap 0 f 0 4 rw shared
w0 thread 1
start
w0 w 0 0
w1 w 0 1
""",
    "threads: anonymous copy": """
w0 anon 0 1 | w0 store 0 0 7 | w0 fork 2 | w0 thread 1
start
w0 store 0 0 9 | w0 load 0 0
w1 store 0 0 8 | w1 load 0 0
w2 load 0 0
expect w2.1 = 7
never w0.2 = 7 or w1.2 = 7
""",
    "threads: to a device": """
w0 anon 0 1 | w0 store 0 0 7 | w0 thread 1
start
w0 hmm_todev 0 0 0 1 | w0 load 0 0
w1 load 0 0 | w1 munmap 0
never w0.2 = 0 or w1.1 = 0
""",
    "threads: read by a device": """
w0 anon 0 1 | w0 store 0 0 7 | w0 thread 1
start
w0 hmm_read 0 0 0 1
w1 munmap 0
""",
    "threads: unlinked": """
file f 1 written
w0 open 0 f rw | w0 mmap 0 0 0 1 rw shared | w0 thread 1 | w0 unlink f
start
w0 close 0 | w0 munmap 0
w1 pread 0 0 1
""",
    "threads: open and map": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 open 0 f rw
start
w0 mmap 1 0 0 1 rw shared
w1 close 0
""",
    "threads: drop twice": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 w 0 0 2
start
w0 madvise 0 4 0
w1 madvise 0 4 0 | w1 munmap 0
""",
    "threads: a huge copy is split": """
w0 anonhuge 0 4 | w0 w 0 0 | w0 fork 2 | w2 exit | w0 thread 1
start
w0 w 0 0
w1 split_huge_pages 0 1
""",
    "threads: another's page": """
file f 1 written
file g 2 written
w0 mmap 0 f 0 1 rw shared | w0 w 0 0 | w0 thread 1
start
w0 pin 0 0 | w0 unpin
w1 munmap 0 | w1 mmap 1 g 1 1 rw shared | w1 w 1 0
""",
    "threads: a last use": """
file f 1 written
w0 open 0 f rw | w0 unlink f | w0 thread 1
start
w0 close 0
w1 pread 0 0 1
""",
    "threads: a last mapping": """
file f 1 written
w0 mmap 0 f 0 1 rw shared | w0 unlink f | w0 thread 1
start
w0 munmap 0
w1 fork 2
w2 nop
""",
    "threads: a pipe's last use": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
w0 pipe 0 | w0 w 0 0
start
w0 exit
w1 vmsplice 0 0 0 1 | w1 exit
""",
    "threads: open one number": """
file f 2 written
w0 mmap 0 f 0 2 rw shared
w0 thread 1
start
w0 open 0 f rw | w0 close 0
w1 open 0 f rw | w1 close 0
""",
}
