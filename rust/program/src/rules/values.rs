//! What rules can say: the values that a rule offers, each with a name for the command line and, in a few
//! words, what the machine then does.

use crate::by_name::serialized_by;

/// A choice a rule offers: an enum whose variants have names for the command line.
pub trait RuleValue: Copy + Eq + 'static {
    /// Every value with its name.
    const ALL: &'static [(Self, ValueName)];
}

/// What a value is called, and what the machine does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueName {
    /// Kebab-case name.
    pub name: &'static str,
    /// What the machine does with it.
    pub meaning: &'static str,
}

macro_rules! values {
    ($($(#[$doc:meta])+ $type:ident { $($variant:ident $name:literal $meaning:literal,)+ })+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $(#[doc = $meaning] $variant,)+ }

        impl RuleValue for $type {
            const ALL: &'static [(Self, ValueName)] =
                &[$(($type::$variant, ValueName { name: $name, meaning: $meaning })),+];
        }

        impl $type {
            /// The value's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }
        }

        serialized_by!(name: $type);
    )+};
}

values! {
    /// A step of the protocol is done or left out.
    Switch {
        On "on" "the step is done",
        Off "off" "the step is left out",
    }
    /// What a value-returning RMW is ordered against.
    Barrier {
        Full "full" "everything before it and everything after it, as in every kernel",
        Relaxed "relaxed" "nothing; on x86 the same locked instruction, a full barrier still",
    }
    /// How a count that was zero is stored.
    Publication {
        Release "release" "whoever gets a reference sees everything stored before the count",
        Relaxed "relaxed" "a reference may be had before what it refers to is seen; on x86 the same store",
    }
    /// When zap drops the page reference a mapping held.
    ZapPut {
        AfterFlush "after-flush" "the gather batch is put after every CPU flushed its TLB",
        BeforeFlush "before-flush" "the page is put as soon as the entry is cleared",
    }
    /// How an entry is read and cleared.
    ZapClear {
        Xchg "xchg" "one exchange, which is a full barrier",
        LoadStore "load-store" "a load and a plain store, which may be seen late",
    }
    /// What a zap does about a PMD that it finds empty.
    ZapNonePmd {
        Skip "skip" "it goes on; whoever has just cleared it may not be through with the page",
        Lock "lock" "it waits for the PMD lock, so that no mapping of its range is half gone when it returns",
    }
    /// In which order the last uses of files and pipes end.
    ExitFput {
        NewestFirst "newest-first" "the last that was put is the first to end, and may wait for pages in a pipe",
        PipesFirst "pipes-first" "pipes drop their pages before any file ends, each newest first",
    }
    /// What a write that fills a hole does about the entries that reads have left there.
    WriteInvalidate {
        DeleteThenUnmap "delete-then-unmap" "every clean entry goes, a real one too, and what maps it is unmapped after",
        ZeroOnly "zero-only" "only the zero page is taken away; a real entry is of the block just written",
    }
    /// When truncate gives a block back to the allocator.
    BlockFree {
        AfterIdle "after-idle" "the block is freed once its pages are idle",
        BeforeIdle "before-idle" "the block is freed first, its pages are waited for afterwards",
    }
    /// What inode eviction waits for.
    EvictWait {
        FinalIdle "final-idle" "every page of the file is idle before its entries go",
        None "none" "entries and blocks go at once",
        InodeRef "inode-ref" "nothing: whoever keeps a page keeps the file, and the last of them evicts it",
    }
    /// When the reference count of a pagemap is given up.
    PercpuExit {
        AfterDelete "after-delete" "when no lookup can find the pagemap any more, and none that did is still running",
        BeforeDelete "before-delete" "when the last reference is gone; the pagemap can still be found",
    }
    /// What unbind does about pages that are still referenced.
    TeardownPages {
        Ignore "ignore" "the struct pages go although somebody holds a reference",
        WaitIdle "wait-idle" "a page in use holds its pagemap, and unbind sleeps until no page does",
    }
    /// Who holds the device, and is told that it goes.
    Holder {
        Xfs "xfs" "a file system that unmaps all of its pages and shuts down",
        None "none" "nobody, as with ext4: what is mapped stays mapped",
    }
    /// What the holder does first when the device goes.
    UnbindOrder {
        ZapThenShutdown "zap-then-shutdown" "pages are unmapped, then the file system is shut down: in between a read faults again",
        ShutdownThenZap "shutdown-then-zap" "the file system is shut down, then pages are unmapped: no fault comes after that",
    }
    /// Where the holder's walk over what fails ends.
    FailedRange {
        Wraps "wraps" "never, where the file's group is not the device's last: the end of the range is computed to zero",
        Exact "exact" "behind the last page that fails",
    }
    /// How long a fault keeps the device from going.
    FaultLiveness {
        Translation "translation" "while it asks the device where the page is",
        Insertion "insertion" "until the page is mapped",
    }
    /// How a page that comes into use knows that it must take its pagemap reference.
    RequestFolio {
        OnTransition "on-transition" "by the step that takes its count from zero to one",
        ByInspection "by-inspection" "by a look at the count after raising it: one means first",
    }
    /// How the put that lets a page go knows that it must give its pagemap reference back.
    ReleaseFolio {
        OnTransition "on-transition" "by the step that takes its count from one to zero",
        ByInspection "by-inspection" "by a look at the count after dropping it: zero means last",
    }
    /// What an allocation does when its pagemap is dying.
    AllocDying {
        Refused "refused" "it fails, and takes nothing",
        Warned "warned" "it warns, and hands the page out without a reference on the pagemap",
        AnyLeft "any-left" "it takes a reference as long as anybody has one, and goes on without when nobody has",
    }
    /// What becomes of a page of a P2PDMA provider that could not be mapped.
    P2pError {
        Undone "undone" "it is put: its count and its pagemap reference are gone before it is free",
        RefLeft "ref-left" "its count is taken back, and its reference on the pagemap is not",
        CountLeft "count-left" "its reference on the pagemap is given back, and it is free with the count one",
    }
    /// When a driver that gives its memory up stops allocating.
    ReleaseStop {
        BeforeKill "before-kill" "before the pagemap is killed",
        AfterKill "after-kill" "after that",
    }
    /// When a freed page is pushed on the driver's free list.
    FreePush {
        AfterSettled "after-settled" "the page reaches the list with its final count",
        BeforeSettled "before-settled" "the page reaches the list, and its count is stored afterwards",
    }
    /// What an allocated page of a driver's memory holds of its pagemap.
    AllocPagemap {
        PerPage "per-page" "a reference, from the step that allocates it to the one that frees it",
        Nothing "nothing" "nothing: the pagemap may go while the page is in use",
    }
    /// What count a free page of a driver's memory has.
    InitMode {
        Idle "idle" "zero: no reference can be had, and who allocates the page sets the count",
        Busy "busy" "one: the put that frees a page sets it back, and who allocates the page finds it",
    }
    /// Where a page says which pagemap it belongs to.
    PgmapWord {
        AliasesHead "aliases-head" "in the word in which a tail says where its head is",
        Own "own" "in a word of its own",
    }
    /// Which pagemap the put that frees a page gives its reference back to.
    FreeReload {
        Local "local" "the one that was read before the driver's callback",
        AfterFree "after-free" "the one that the page says after it",
    }
    /// What an allocation does about the words of an earlier life.
    PageReset {
        AtAlloc "at-alloc" "it writes every word of every page it takes",
        Never "never" "nothing, if what it makes is a single page",
    }
    /// What makes a page busy to a layout break.
    BusyTest {
        Refcount "refcount" "references beyond those of its mappings and its entry",
        MaybePinned "maybe-pinned" "pins: a plain reference is none",
    }
    /// What a layout break sleeps for.
    IdlePred {
        RefZero "ref-zero" "refcount 0, although busy means refcount differs from mapcount",
        RefEqualsMap "ref-equals-map" "refcount equal to mapcount, woken on every put",
    }
    /// Where a waiter for a locked huge entry sleeps.
    EntryWaitKey {
        Rounded "rounded" "at the entry's first index, where the unlocker wakes",
        Unrounded "unrounded" "at the index it came for, where nobody wakes",
    }
    /// Which entries of shared blocks a page's share word counts.
    ShareCount {
        Counted "counted" "from the second file on that has the page; the first one keeps it as its own",
        Marked "marked" "every entry of a shared block, and the page's mapping says so instead of a file",
        OnWrite "on-write" "only those that a write made; a read takes the page for its own file, whoever has it",
    }
    /// What keeps two files apart that change the share word of one page.
    ShareUpdate {
        Plain "plain" "nothing: each has an entry of its own locked, and reads and writes the word",
        Locked "locked" "a lock of the device, for files that were cloned",
    }
    /// When a block that files shared goes back once the last of them has given it up.
    SharedFree {
        AtOnce "at-once" "at once: a layout break has looked at the pages of its own file's entries, and who has another file's page goes unseen",
        WhenIdle "when-idle" "when nobody refers to its page any more",
    }
    /// How long a write keeps the file system's lock over extents.
    IomapLock {
        Begin "begin" "it is dropped when iomap_begin returns",
        UntilEnd "until-end" "it is held until iomap_end, while the write waits for DAX entries",
    }
    /// Where the scan for busy pages goes on after a huge entry.
    BusyScan {
        PastEntry "past-entry" "after the last index of the entry",
        NextIndex "next-index" "after its first index, where it finds the same entry again",
    }
    /// What an entry of a page table holds of a DAX page.
    DaxPages {
        Normal "normal" "a reference and a mapcount; a huge entry maps a folio, and a free page has the count 0",
        Devmap "devmap" "nothing; every frame is a page of its own, and a free page has the count 1",
        EntryRefs "entry-refs" "nothing; the DAX entry holds a reference on each frame until it is deleted, and a free page has the count 0",
    }
    /// What GUP does about the pagemap of a page whose entry holds nothing.
    GupPagemap {
        Taken "taken" "it takes a reference on the pagemap before it touches the page, and drops it after",
        Unasked "unasked" "nothing: it raises the count of whatever struct page the entry leads to",
        PutOnly "put-only" "it takes none, and drops one all the same",
        Special "special" "it takes no page: the entry is marked special, as one that has no struct page",
    }
    /// Who forbids pins for long.
    LongtermPolicy {
        Pagemap "pagemap" "the pagemap of the page: of a file system, all of them",
        Holder "holder" "who holds the device, if anybody does",
    }
    /// Which files a layout break looks at.
    LayoutScan {
        Always "always" "every file, mapped or not",
        WhileMapped "while-mapped" "files that somebody maps; of others no page is waited for",
    }
    /// What a layout break does about the entries of a file.
    LayoutEntries {
        Removed "removed" "all of them go once every page is idle",
        Kept "kept" "they stay, and whoever frees a block takes its entry away",
    }
    /// What direct I/O takes of a page.
    DioRef {
        Pin "pin" "a pin",
        Get "get" "a plain reference",
    }
    /// What munmap does before it takes a VMA out of its file's list whose entries hold no reference.
    PfnmapFlush {
        BeforeUnlink "before-unlink" "it flushes what it cleared",
        AtEnd "at-end" "nothing; it flushes when all is done",
    }
    /// How a bio gives a page back.
    BioPut {
        Wakes "wakes" "as everybody does: who waits for the page to be idle is woken",
        Silent "silent" "by a put that does not know what count is idle, and wakes nobody",
    }
    /// What io_uring says to a buffer in the mapping of a file.
    UringFiles {
        Pinned "pinned" "it asks for a long-term pin, which the file system may refuse",
        Refused "refused" "it refuses files itself",
    }
    /// What a get does about a count that is nearly full.
    RefLimit {
        Refused "refused" "it takes nothing",
        Wraps "wraps" "it adds its reference: the count goes below zero, and comes to zero from there",
    }
    /// What a fault on device-private memory holds when it calls the driver.
    FaultRef {
        UnderLock "under-lock" "the lock of the folio and a reference, both taken while the entry cannot change",
        None "none" "nothing: the page may be another one's by then",
    }
    /// What a fault on a page that a device has for itself holds while it sleeps for the lock of the folio.
    ExclusiveRef {
        UnderLock "under-lock" "a reference, taken while the entry cannot change",
        None "none" "nothing: the page may be freed by then",
    }
    /// Which pages a driver maps that wanted some for its device alone.
    ExclusivePartial {
        Given "given" "those that it was given",
        Asked "asked" "as many as it asked for: where it was given none, what its array held before",
    }
    /// Whether a device asks, before it remembers what an entry said, if that has been invalidated since.
    MirrorRetry {
        Checked "checked" "under its own lock, and asks for the entry again",
        Ignored "ignored" "no",
    }
    /// How a folio that one PMD maps goes to a device's memory.
    DeviceFolios {
        Pages "pages" "page by page, taken apart before",
        Huge "huge" "as a whole, if all of it goes",
    }
    /// Whether who is about to move a page lets one reference pass that it does not know of.
    MigrateCheck {
        DeviceSlack "device-slack" "one, of a device's page; the freeze that follows lets none pass",
        Exact "exact" "none",
    }
    /// How who moves a folio makes sure that no shrinker has it before it takes it off the list of those to be split.
    MigrateUnqueue {
        Frozen "frozen" "its count is frozen at what is expected",
        Checked "checked" "its count is looked at",
    }
    /// How a page walk takes a reference on what a PMD maps.
    WalkPmd {
        Locked "locked" "under the lock of the PMD, which it has read there",
        Stale "stale" "as it has read the PMD before, without the lock",
    }
    /// Whether who comes by the list of mappings looks at a huge entry again once it has the lock of the PMD.
    RmapPmd {
        Locked "locked" "yes: what it finds then is what it acts on",
        Stale "stale" "no: it acts on what it has read without the lock",
    }
    /// What who splits a mapped folio holds of it besides its mappings.
    SplitGet {
        Taken "taken" "a reference of its own",
        Missing "missing" "none: the last mapping that makes room for a migration entry puts the last reference",
    }
    /// What is done about the mappings of a folio that is to be split.
    SplitUnmap {
        MigrationEntries "migration-entries" "migration entries take their place: nothing maps it, and what faults waits",
        StillMapped "still-mapped" "nothing; what they hold is part of what the freeze expects",
    }
    /// What a split does about a freeze that failed.
    SplitFreeze {
        Checked "checked" "it gives up: somebody else has a reference",
        Ignored "ignored" "it goes on as if it had succeeded",
    }
    /// When the original head of a split folio can be referenced again.
    SplitUnfreeze {
        HeadLast "head-last" "when every part has its words and its count",
        HeadFirst "head-first" "while tails that are about to leave it still name it",
    }
    /// What becomes of the reference that a split was called with when it has to be tried again.
    SplitAgain {
        Kept "kept" "it is its owner's still",
        Lost "lost" "nobody puts it, ever",
    }
    /// What is left in the index word of an order-0 page whose last entry went.
    ShareReset {
        KeptAtOrder0 "kept-at-order-0" "the old index stays and is read as a share count later",
        Cleared "cleared" "the word is cleared",
    }
}

impl Switch {
    /// Whether the step is done.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Switch::On)
    }
}
