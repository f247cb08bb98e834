//! Every operation, once.
//!
//! A row says, in the order of the text: who does it and by which word (`as` names the call in reports, where the
//! word does not); the method of a world that does it; the type that carries it, with each argument's name, type
//! and form (see `forms`); what it returns; the error numbers and, behind `|`, the signals it can end in. Its
//! first lines are the sentence of the language reference. `hunt N "WORD" = "TEXT"` makes it a word of hunts, the
//! N-th that is tried.
//!
//! Not in a row: `ESRCH`, which every call of a worker that does not run returns, and `EOPNOTSUPP` for what the
//! model lacks.

/// Hands the table to the macro named first, with whatever stands behind its name in front of the rows.
#[macro_export]
macro_rules! operations {
    ($with:ident $($given:tt)*) => {
        $with! {
            ($($given)*)

            /// Looks at the pages before anything happens.
            environment("baseline") nothing: Baseline -> Zero [];
            /// Kills every worker; nothing follows it.
            environment("end") end: End -> Zero [];
            /// Lets time pass: all I/O in flight completes.
            environment("sleep") sleep: Sleep -> Zero [];
            /// Ends the set-up: from here on workers run at the same time.
            environment("start") nothing: Start -> Zero [];
            /// Looks up where the blocks of the files are now.
            environment("retrack") nothing: Retrack -> Zero [];
            /// Waits for the asynchronous step of a worker, or of all.
            environment("wait") wait: Wait(Wait {
                worker: Option<WorkerId> = SomeWorker("[W]"),
            }) -> Zero [];

            /// Does nothing.
            worker("nop") nothing: Nop -> Zero [];
            /// Starts this worker in a process of its own.
            worker("spawn") spawn: Spawn -> Zero [ENOMEM EEXIST EINVAL];
            /// Starts another worker in a copy of this one's process: copies of its mappings, its open files and
            /// pipes, none of its pins.
            worker("fork") fork: Fork(Fork {
                child: WorkerId = Worker("W"),
            }) -> Zero [ENOMEM EEXIST EINVAL] hunt 27 "fork" = "fork 1";
            /// Starts another worker as a thread of this one's process, before `start`: mappings, open files and pipes are
            /// those of both, by the same numbers, and stay until the last thread has left; pins are each one's own.
            worker("thread") clone_vm: Thread(Thread {
                child: WorkerId = Worker("W"),
            }) -> Zero [EEXIST EINVAL] hunt 40 "thread" = "thread 1";
            /// Leaves: pins go first, then memory, then files and pipes.
            worker("exit") exit: Exit -> Zero [] hunt 15 "exit" = "exit";
            /// Dies of SIGKILL, which gives everything back as `exit` does.
            worker("kill" as "exit") exit: Kill -> Zero [];

            /// Opens a file, the slow block device /dev/nullb0 or the mirror device /dev/hmm_dmirror0 under a number.
            worker("open") open: Open(Open {
                fd: FdNo = Makes("FD"),
                target: Target = Openable("FILE"),
                mode: OpenMode = OneOf("MODE"),
            }) -> Zero [ENOENT EMFILE] hunt 20 "open" = "open 0 f rw" hunt 31 "device" = "open 1 /dev/nullb0 rw";
            /// Closes a descriptor; the last use of an unlinked file waits for its pages.
            worker("close") close: Close(Close {
                fd: FdNo = Ends("FD"),
            }) -> Zero [EBADF];
            /// Gives a descriptor another number in the kernel (`dup2`, and `close` of the old one), closing what is there;
            /// the lowest free one from 3 on is what it was opened at, and so are the two ends of a pipe. An exit closes
            /// descriptors in the order of these numbers.
            worker("dupto" as "dup2") dup2: Dupto(Dupto {
                fd: FdNo = Uses("FD"),
                number: u8 = FdNumber("NUMBER"),
            }) -> FdNumber [EBADF];
            /// Takes a file's name away.
            worker("unlink") unlink: Unlink(Unlink {
                file: FileIdx = Named("FILE"),
            }) -> Zero [ENOENT] hunt 13 "unlink" = "unlink f";
            /// Reads pages of a file without mapping them.
            worker("pread") pread: Pread(Pread {
                file: FileRef = File("FD"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Bytes [ENOENT EBADF EMFILE];
            /// Writes pages of a file without mapping them, allocating and extending as needed.
            worker("pwrite") pwrite: Pwrite(Pwrite {
                file: FileRef = File("FD"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Bytes [ENOENT EBADF EINVAL EMFILE ENOSPC] hunt 12 "write" = "pwrite f 0 1";
            /// Writes a file back.
            worker("fsync") fsync: Fsync(Fsync {
                file: FileRef = File("FD"),
            }) -> Zero [ENOENT EBADF EMFILE];
            /// Sets a file's size; waits until none of the pages that go is referenced.
            worker("ftruncate") ftruncate: Ftruncate(Ftruncate {
                file: FileRef = File("FD"),
                pages: u32 = Size("PAGES"),
            }) -> Zero [ENOENT EINTR EBADF EINVAL EMFILE]
                hunt 9 "truncate" = "ftruncate f 0" hunt 10 "extend" = "ftruncate f 1";
            /// Takes the blocks of some pages away; waits as `ftruncate` does.
            worker("punch") punch: Punch(Punch {
                file: FileRef = File("FD"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Zero [ENOENT EINTR EBADF EINVAL EMFILE] hunt 11 "punch" = "punch f 0 1";
            /// Makes pages read as zero, and keeps their blocks; waits as `ftruncate` does.
            worker("zerorange") zerorange: Zerorange(Zerorange {
                file: FileRef = File("FD"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Zero [ENOENT EINTR EBADF EINVAL EMFILE];

            /// Gives a file the blocks of another one, which both have from then on (FICLONE); whoever writes to one of them
            /// gets a copy of it first. Waits until no page of either is referenced. Who gets a copy waits for nobody; that a
            /// huge page is taken apart then under whoever refers to it is told as I18.
            worker("reflink" as "ioctl") reflink: Reflink(Reflink {
                file: FileRef = File("FD"),
                source: FileRef = File("FD"),
            }) -> Zero [ENOENT EINTR EBADF EINVAL EMFILE] hunt 35 "reflink" = "reflink g f";

            /// Maps pages of a file under a number; `odd` shifts it by a page, so that no huge page fits.
            worker("mmap") mmap: Mmap(Mmap {
                map: MapNo = Makes("M"),
                file: FileRef = File("FD"),
                offset: u32 = Page("OFFSET"),
                pages: u32 = Pages("N"),
                prot: Prot = OneOf("PROT"),
                sharing: Sharing = OneOf("shared|private"),
                align: Align = Keyword("[odd]"),
            }) -> Zero [ENOENT EBADF ENOMEM EACCES EBUSY EINVAL EMFILE EOVERFLOW]
                hunt 1 "mmap" = "mmap 0 f 0 1 rw shared";
            /// Maps anonymous memory under a number, read and write, zero until it is written; `anonhuge` comes in huge
            /// pages where they fit and there are any.
            worker("anon", "anonhuge") anon: Anon(Anon {
                kind: AnonKind = Spoken(""),
                map: MapNo = Makes("M"),
                pages: u32 = Pages("N"),
            }) -> Zero [ENOMEM EBUSY EINVAL] hunt 25 "anon" = "anon 0 1" hunt 26 "anonhuge" = "anonhuge 0 1";
            /// Unmaps all of a mapping, or some pages of it.
            worker("munmap") munmap: Munmap(Munmap {
                map: MapNo = Ends("M"),
                range: Option<PageRange> = Part("[PAGE N]"),
            }) -> Zero [ENOMEM EINVAL] hunt 8 "munmap" = "munmap 0";
            /// Moves a mapping to other addresses, and what it maps with it.
            worker("mremap") mremap: Mremap(Mremap {
                map: MapNo = Uses("M"),
            }) -> Zero [ENOMEM EINVAL EFAULT] hunt 22 "mremap" = "mremap 0";
            /// Touches pages of a mapping one after the other, to read (`r`) or to write (`w`).
            worker("r" as "read", "w" as "write") touch: Touch(Touch {
                access: Access = Spoken(""),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = PagesOrOne("[N]"),
            }) -> Zero [ENOMEM EINVAL | Sigbus Sigsegv] hunt 2 "touch" = "w 0 0" hunt 3 "read" = "r 0 0";
            /// Reads the data word of a page.
            worker("load" as "read") load: Load(Load {
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
            }) -> Word [ENOMEM EINVAL | Sigbus Sigsegv];
            /// Writes the data word of a page.
            worker("store" as "write") store: Store(Store {
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                value: u64 = Value("VALUE"),
            }) -> Zero [ENOMEM EINVAL | Sigbus Sigsegv];
            /// Writes a mapping back.
            worker("msync") msync: Msync(Msync {
                map: MapNo = Uses("M"),
            }) -> Zero [EINVAL];
            /// Advises the kernel of one page: 4 (`dontneed`) drops its entries, 25 (`collapse`) makes the single pages of
            /// anonymous memory around it a huge one, EAGAIN while anybody shares or refers to one of them, 101
            /// (`soft_offline`) moves it to another block.
            worker("madvise") madvise: Madvise(Madvise {
                map: MapNo = Uses("M"),
                advice: Advice = OneOf("ADVICE"),
                page: u32 = Page("PAGE"),
            }) -> Zero [ENOENT EAGAIN ENOMEM EFAULT EBUSY EINVAL ENOSPC]
                hunt 16 "offline" = "madvise 0 soft_offline 0" hunt 34 "collapse" = "madvise 0 collapse 0";

            /// Splits the huge page of anonymous memory around a page of a mapping into single pages, in every process that
            /// maps it. EAGAIN, and it is whole still, while anybody has a reference or moves it.
            worker("split_huge_pages") split_huge_pages: SplitHugePages(SplitHugePages {
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
            }) -> Pages [EAGAIN EFAULT EINVAL] hunt 28 "splithuge" = "split_huge_pages 0 0";

            /// Moves the folio around a page of anonymous memory to other frames, in every process that maps it. Returns how many
            /// pages went: none while anybody refers to it.
            worker("move_pages") move_pages: MovePages(MovePages {
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
            }) -> Pages [ENOMEM ENOENT EFAULT EBUSY EINVAL] hunt 38 "movepages" = "move_pages 0 0";
            /// Memory is short: huge pages of which a part is not mapped any more are split. Returns how many pages they had.
            worker("shrink" as "deferred_split_scan") shrink: Shrink -> Pages [] hunt 39 "shrink" = "shrink";

            /// Makes a pipe under a number.
            worker("pipe") pipe: Pipe(Pipe {
                pipe: PipeNo = Makes("P"),
            }) -> Zero [EBUSY EMFILE] hunt 19 "pipe" = "pipe 0";
            /// Puts references on pages into a pipe, one page to a buffer.
            worker("vmsplice") vmsplice: Vmsplice(Vmsplice {
                pipe: PipeNo = Uses("P"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Bytes [EBADF EAGAIN ENOMEM EFAULT] hunt 21 "vmsplice" = "vmsplice 0 0 0 1";
            /// Puts references on one pipe's pages into another pipe.
            worker("tee") tee: Tee(Tee {
                from: PipeNo = Uses("P1"),
                to: PipeNo = Uses("P2"),
                pages: u32 = Pages("N"),
            }) -> Bytes [EBADF EINVAL];
            /// Reads pages out of a pipe, dropping their references; a pipe never made is empty.
            worker("drain") drain: Drain(Drain {
                pipe: PipeNo = MayUse("P"),
                pages: u32 = Pages("N"),
            }) -> Bytes [];
            /// Reads another worker's memory through pins that are gone on return.
            worker("pvmread" as "process_vm_readv") process_vm_readv: Pvmread(Pvmread {
                target: WorkerId = Other("W"),
                map: MapNo = Theirs("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Bytes [ENOMEM EFAULT EINVAL];
            /// Registers the worker's io_uring buffer: a long-term pin, which files on such memory refuse.
            worker("uring_reg" as "io_uring_register") uring_register: UringReg(UringReg {
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Zero [ENOMEM EFAULT EBUSY EINVAL EOPNOTSUPP];
            /// Takes the registered buffer back.
            worker("uring_unreg" as "io_uring_register") uring_unregister: UringUnreg -> Zero [ENXIO];
            /// Writes memory to the slow device: pinned until time passes, or for TICKS of virtual time.
            worker("dio_write") dio_write: DioWrite(DioWrite {
                device: FdNo = Device("FD"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
                ticks: Option<u32> = Ticks("[TICKS]"),
            }) -> Bytes [EBADF ENOMEM EFAULT EINVAL] hunt 32 "dio" = "dio_write 1 0 0 1 0";
            /// Reads from the slow device into memory, pinned as by `dio_write`.
            worker("dio_read") dio_read: DioRead(DioRead {
                device: FdNo = Device("FD"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
                ticks: Option<u32> = Ticks("[TICKS]"),
            }) -> Bytes [EBADF ENOMEM EFAULT EINVAL];
            /// Pins pages (pin_user_pages), to read or to write (`w`) through the pin, until `unpin`.
            worker("pin") pin: Pin(Pin {
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = PagesOrOne("[N]"),
                longterm: Longterm = Keyword("[longterm]"),
                access: Access = FirstOr("[r|w]"),
            }) -> Pinned [ENOMEM EFAULT EBUSY EINVAL EOPNOTSUPP] hunt 4 "reference" = "pin 0 0";
            /// Takes plain references on pages (get_user_pages), numbered and given back as pins are.
            worker("get") get: Get(Get {
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = PagesOrOne("[N]"),
            }) -> Pinned [ENOMEM EFAULT EINVAL] hunt 5 "get" = "get 0 0";
            /// Gives back a pin or get; none named: the worker's most recent one that it still has.
            worker("unpin") unpin: Unpin(Unpin {
                pin: Option<PinNo> = EndsPin("[PIN]"),
            }) -> Pages [EINVAL] hunt 7 "drop" = "unpin";
            /// A device writes the first page of each range of a pin.
            worker("dma_write") dma_write: DmaWrite(DmaWrite {
                pin: Option<PinNo> = UsesPin("[PIN|-]"),
                value: u64 = ValueOrOne("[VALUE]"),
            }) -> Zero [EINVAL] hunt 6 "dma" = "dma_write";
            /// A device reads the first page of each range of a pin; what the first one held is what it returns.
            worker("dma_read") dma_read: DmaRead(DmaRead {
                pin: Option<PinNo> = UsesPin("[PIN]"),
            }) -> Word [EINVAL];

            /// Allocates folios over a range of the driver's own memory.
            worker("dev_alloc") dev_alloc: DevAlloc(DevAlloc {
                start: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Folios [ENOMEM EBUSY ENODEV EINVAL] hunt 17 "alloc" = "dev_alloc 0 1";
            /// Takes a reference on an allocated page of the driver's own memory.
            worker("dev_get") dev_get: DevGet(DevGet {
                page: u32 = Page("PAGE"),
            }) -> Zero [ENXIO ENOMEM ENODEV EINVAL];
            /// Drops a reference on a page of the driver's own memory; the last one frees the folio.
            worker("dev_put") dev_put: DevPut(DevPut {
                page: u32 = Page("PAGE"),
            }) -> Zero [ENXIO EINVAL] hunt 18 "put" = "dev_put 0";
            /// Takes a plain reference on whatever folio a page of the driver's own memory is in, without having asked
            /// whether it is allocated, as those do who walk frame numbers; numbered and given back as pins are.
            worker("try_get" as "folio_try_get") try_get: TryGet(TryGet {
                page: u32 = Page("PAGE"),
            }) -> Pinned [ENOMEM ENXIO EINVAL] hunt 23 "walk" = "try_get 1";
            /// Splits the folio around a page of the driver's own memory into folios of N pages: the driver's reference on
            /// it becomes one on each. EAGAIN, and nothing has changed, while anybody else has a reference.
            worker("split" as "folio_split") split: Split(Split {
                page: u32 = Page("PAGE"),
                pages: u32 = PagesOrOne("[N]"),
            }) -> Folios [ENXIO EAGAIN ENODEV EINVAL] hunt 24 "split" = "split 0 1";

            /// Has the tails of the huge folio around a page of the driver's own memory share their struct pages, which
            /// nobody may write from then on, until the folio is freed or split.
            worker("fold" as "hugetlb_vmemmap_optimize") fold: Fold(Fold {
                page: u32 = Page("PAGE"),
            }) -> Zero [ENXIO EINVAL] hunt 33 "fold" = "fold 0";

            /// Moves pages of anonymous memory into the driver's own, which no CPU reaches: it is the mirror device 0. Returns
            /// how many went; one that anybody else refers to stays.
            worker("hmm_todev") hmm_todev: HmmTodev(HmmTodev {
                device: u32 = Page("DEV"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Pages [ENODEV EINVAL] hunt 29 "todev" = "hmm_todev 0 0 0 1";
            /// Moves pages of anonymous memory home from the driver's own, as the first touch of a CPU does. Returns how
            /// many went.
            worker("hmm_tosys") hmm_tosys: HmmTosys(HmmTosys {
                device: u32 = Page("DEV"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Pages [ENODEV EINVAL] hunt 30 "tosys" = "hmm_tosys 0 0 0 1";

            /// Has the mirror device read pages of a mapping, which are faulted in where nothing is; what is in the
            /// driver's own memory it reads there, and leaves there. Returns the data word of the first one.
            worker("hmm_read") hmm_read: HmmRead(HmmRead {
                device: u32 = Page("DEV"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = Pages("N"),
            }) -> Word [ENOMEM ENODEV EFAULT EINVAL] hunt 37 "devread" = "hmm_read 0 0 0 1";
            /// Has the mirror device write the data word of a page of a mapping, which is faulted in where nothing is.
            worker("hmm_write") hmm_write: HmmWrite(HmmWrite {
                device: u32 = Page("DEV"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                value: u64 = Value("VALUE"),
            }) -> Zero [EPERM ENOMEM ENODEV EFAULT EINVAL];
            /// Gives the mirror device pages of anonymous memory for itself, until a CPU touches them or the process forks.
            /// Returns how many it was given before one could not be had.
            worker("exclusive") exclusive: Exclusive(Exclusive {
                device: u32 = Page("DEV"),
                map: MapNo = Uses("M"),
                page: u32 = Page("PAGE"),
                pages: u32 = PagesOrOne("[N]"),
            }) -> Pages [ENOMEM ENODEV EFAULT EBUSY EINVAL EOPNOTSUPP] hunt 36 "exclusive" = "exclusive 0 0 0";
            /// Takes the driver's own memory away: nothing more is allocated there, what processes have in it comes home,
            /// and the call sleeps until nobody refers to any of it. EBUSY while the driver has some of it for itself
            /// (`dev_alloc`, `driver`).
            worker("hmm_release") hmm_release: HmmRelease(HmmRelease {
                device: u32 = Page("DEV"),
            }) -> Zero [ENODEV EBUSY] hunt 41 "release" = "hmm_release 0";
            /// Gives the driver memory of its own again, once it was taken away: `private`, which no CPU reaches and every
            /// program begins with, or `coherent`, which CPUs reach like ordinary memory.
            worker("hmm_load") hmm_load: HmmLoad(HmmLoad {
                memory: DeviceMemory = OneOf("MEMORY"),
            }) -> Zero [ENOMEM EBUSY];
            /// Unloads the driver, and takes its memory away as `hmm_release` does. EBUSY while somebody has its device
            /// /dev/hmm_dmirror0 open.
            worker("hmm_unload" as "delete_module") hmm_unload: HmmUnload -> Zero [ENODEV EBUSY];

            /// Maps pages of the driver's own memory at once, as the file of a P2PDMA provider does, which has to be memory
            /// that CPUs reach (`hmm_load coherent`); page tables have room for so many of them, and if those are not all, what
            /// was done is undone.
            worker("p2p_mmap" as "mmap") p2p_mmap: P2pMmap(P2pMmap {
                map: MapNo = Makes("M"),
                pages: u32 = Pages("N"),
                room: u32 = Size("ROOM"),
            }) -> Zero [ENOMEM EBUSY ENODEV EINVAL EOPNOTSUPP];

            /// Takes a page as the `alloc` of a driver of the program does, primitive by primitive; the worker has it
            /// until `drv_put`.
            worker("drv_alloc") drv_alloc: DrvAlloc(DrvAlloc {
                driver: DriverIdx = Driver("DRIVER"),
            }) -> Driven [ENOMEM ENODEV];
            /// Puts the reference on the page that the worker took last by `drv_alloc` and still has; the last reference
            /// calls the driver's `page_free`.
            worker("drv_put") drv_put: DrvPut -> Zero [ENXIO];

            /// Takes a reference of the program's own, without being asked whether there is one to be had: whoever does so has
            /// one already. A program has four such refs (`percpu_ref`), alive from the start by the reference of their owner.
            worker("ref_get" as "percpu_ref_get") ref_get: RefGet(RefGet {
                reference: u8 = Reference("R"),
            }) -> Zero [];
            /// Takes a reference as long as anybody has one.
            worker("ref_tryget" as "percpu_ref_tryget") ref_tryget: RefTryget(RefTryget {
                reference: u8 = Reference("R"),
            }) -> Zero [ENODEV];
            /// Takes a reference until the ref is killed.
            worker("ref_tryget_live" as "percpu_ref_tryget_live") ref_tryget_live: RefTrygetLive(RefTrygetLive {
                reference: u8 = Reference("R"),
            }) -> Zero [ENODEV];
            /// Gives one back; the last one releases the ref, once that was killed.
            worker("ref_put" as "percpu_ref_put") ref_put: RefPut(RefPut {
                reference: u8 = Reference("R"),
            }) -> Zero [];
            /// Kills the ref: its owner's reference goes, and from here on the others are counted.
            worker("ref_kill" as "percpu_ref_kill") ref_kill: RefKill(RefKill {
                reference: u8 = Reference("R"),
            }) -> Zero [];
            /// Sleeps until the ref has been released.
            worker("ref_wait" as "wait_for_completion") ref_wait: RefWait(RefWait {
                reference: u8 = Reference("R"),
            }) -> Zero [];
            /// Brings a killed ref back to life, whoever has references still.
            worker("ref_resurrect" as "percpu_ref_resurrect") ref_resurrect: RefResurrect(RefResurrect {
                reference: u8 = Reference("R"),
            }) -> Zero [];

            /// Unmounts the file system: waits for every page of every file.
            worker("umount") umount: Umount(Umount {
                fs: FsIdx = MountPoint("[PATH]"),
            }) -> Zero [EBUSY];
            /// Mounts the file system again.
            worker("mount") mount: Mount(Mount {
                fs: FsIdx = MountPoint("[PATH]"),
            }) -> Zero [];
            /// Unbinds the driver of the file system's device.
            worker("unbind") unbind: Unbind -> Zero [ENODEV] hunt 14 "unbind" = "unbind";
            /// Binds the driver of the file system's device again.
            worker("bind") bind: Bind -> Zero [ENOMEM EBUSY EINVAL];
        }
    };
}
