//! Rules: each decision on which kernels and proposals differ, as plain data (K§3.7, K§9 "Knob").
//!
//! A rule is written once, in the table below, and the macro turns that into a field of [`Rules`],
//! its entry in [`RULES`], access by its kebab-case name (`--break zap-put=before-flush`) and its
//! value in each era. The protocol reads fields; everything else goes through names.
//!
//! A rule describes what the kernel *does*, not whether that is right: an era is faithful by
//! choosing what shipped, and sound by choosing what holds.

use serde::Serialize;
use thiserror::Error;

use crate::era::Era;
use crate::nearest::hint;

/// A choice a rule offers: an enum whose variants have names for the command line.
pub trait RuleValue: Copy + Eq + 'static {
    /// Every value with its name and, in a few words, what the machine then does.
    const ALL: &'static [(Self, RuleValueInfo)];

    /// The value's name.
    #[must_use]
    fn name(self) -> &'static str {
        // Every variant is in ALL: the macro writes both from one list.
        Self::ALL.iter().find(|(value, _)| *value == self).map_or("", |(_, info)| info.name)
    }
}

/// One value of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RuleValueInfo {
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
            const ALL: &'static [(Self, RuleValueInfo)] =
                &[$(($type::$variant, RuleValueInfo { name: $name, meaning: $meaning })),+];
        }

        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.name())
            }
        }
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
    /// When truncate gives a block back to the allocator.
    BlockFree {
        AfterIdle "after-idle" "the block is freed once its pages are idle",
        BeforeIdle "before-idle" "the block is freed first, its pages are waited for afterwards",
    }
    /// What inode eviction waits for.
    EvictWait {
        FinalIdle "final-idle" "every page of the file is idle before its entries go",
        None "none" "entries and blocks go at once",
    }
    /// What unbind does about pages that are still referenced.
    TeardownPages {
        Ignore "ignore" "the struct pages go although somebody holds a reference",
        WaitIdle "wait-idle" "unbind sleeps until every page has its free count",
    }
    /// How a page that comes into use knows that it must take its pagemap reference.
    RequestFolio {
        OnTransition "on-transition" "by the step that takes its count from zero to one",
        ByInspection "by-inspection" "by a look at the count after raising it: one means first",
    }
    /// When a freed page is pushed on the driver's free list.
    FreePush {
        AfterSettled "after-settled" "the page reaches the list with its final count",
        BeforeSettled "before-settled" "the page reaches the list, and its count is stored afterwards",
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

/// What can be said about a rule without a world.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RuleInfo {
    /// Kebab-case name, the one `--break` takes.
    pub name: &'static str,
    /// What the rule decides, and what which kernel did.
    pub summary: &'static str,
    /// Where the facts are: section of the kernel facts, race numbers.
    pub k: &'static str,
    /// The values it can take.
    pub values: &'static [RuleValueInfo],
    /// Its value in each era, in the order of [`Era::ALL`].
    pub defaults: [&'static str; Era::ALL.len()],
}

impl RuleInfo {
    /// The value this rule has in `era`.
    #[must_use]
    pub fn default_in(&self, era: Era) -> &'static str {
        self.defaults[era as usize]
    }

    /// The rule of this name. Underscores are taken for hyphens.
    pub fn find(name: &str) -> Result<&'static RuleInfo, RuleError> {
        let kebab = name.replace('_', "-");
        RULES.iter().find(|r| r.name == kebab).ok_or_else(|| RuleError::UnknownRule {
            rule: name.to_owned(),
            hint: hint(name, RULES.iter().map(|r| r.name)),
            known: list(RULES.iter().map(|r| r.name)),
        })
    }
}

/// Why a rule could not be read or set. Each message lists what exists.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// No rule has this name.
    #[error("no rule is called \"{rule}\"{hint}; rules are: {known}")]
    UnknownRule {
        /// What was asked for.
        rule: String,
        /// Nearest match, ready to print.
        hint: String,
        /// The rules that exist.
        known: String,
    },
    /// The rule does not have this value.
    #[error("rule {rule} has no value \"{value}\"{hint}; it takes: {known}")]
    UnknownValue {
        /// The rule.
        rule: &'static str,
        /// What was asked for.
        value: String,
        /// Nearest match, ready to print.
        hint: String,
        /// The values that exist.
        known: String,
    },
    /// The text is not `RULE=VALUE`.
    #[error("\"{0}\" is not RULE=VALUE, for example zap-put=before-flush")]
    NotAnAssignment(String),
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// Snake to kebab case at compile time, so that a rule's name is written once.
const fn kebab<const N: usize>(snake: &str) -> [u8; N] {
    let bytes = snake.as_bytes();
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = if bytes[i] == b'_' { b'-' } else { bytes[i] };
        i += 1;
    }
    out
}

const fn infos<T: RuleValue, const N: usize>() -> [RuleValueInfo; N] {
    let mut out = [RuleValueInfo { name: "", meaning: "" }; N];
    let mut i = 0;
    while i < N {
        out[i] = T::ALL[i].1;
        i += 1;
    }
    out
}

fn parse_value<T: RuleValue>(rule: &'static str, value: &str) -> Result<T, RuleError> {
    T::ALL.iter().find(|(_, i)| i.name == value).map(|(v, _)| *v).ok_or_else(|| {
        RuleError::UnknownValue {
            rule,
            value: value.to_owned(),
            hint: hint(value, T::ALL.iter().map(|(_, i)| i.name)),
            known: list(T::ALL.iter().map(|(_, i)| i.name)),
        }
    })
}

macro_rules! rules {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ident [$k:literal] { $($era:ident: $value:ident),+ $(,)? }
    )+) => {
        /// The rules of one machine. `Copy`, read-only once a world is built from it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub struct Rules {
            $($(#[doc = $doc])+ #[doc = concat!("\n\nFacts: ", $k, ".")] pub $field: $type,)+
        }

        /// Every rule, in the order of the table.
        pub const RULES: &[RuleInfo] = &[$(RuleInfo {
            name: {
                const BYTES: &[u8] = &kebab::<{ stringify!($field).len() }>(stringify!($field));
                match std::str::from_utf8(BYTES) { Ok(name) => name, Err(_) => panic!("rule names are ASCII") }
            },
            summary: concat!($($doc),+).trim_ascii(),
            k: $k,
            values: {
                const VALUES: &[RuleValueInfo] = &infos::<$type, { <$type as RuleValue>::ALL.len() }>();
                VALUES
            },
            defaults: rules!(@names $type $($era $value)+),
        }),+];

        impl Rules {
            /// The preset of an era.
            #[must_use]
            pub const fn of(era: Era) -> Rules {
                Rules { $($field: match era { $(Era::$era => $type::$value),+ }),+ }
            }

            /// The value of the rule called `name`.
            pub fn get(&self, name: &str) -> Result<&'static str, RuleError> {
                let rule = RuleInfo::find(name)?;
                $(if rule.name.as_bytes() == kebab::<{ stringify!($field).len() }>(stringify!($field)) {
                    return Ok(self.$field.name());
                })+
                Err(RuleError::NotAnAssignment(name.to_owned())) // every rule of the table is above
            }

            /// Gives the rule called `name` the value called `value`.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), RuleError> {
                let rule = RuleInfo::find(name)?;
                $(if rule.name.as_bytes() == kebab::<{ stringify!($field).len() }>(stringify!($field)) {
                    self.$field = parse_value(rule.name, value)?;
                    return Ok(());
                })+
                Err(RuleError::NotAnAssignment(name.to_owned())) // every rule of the table is above
            }
        }
    };
    (@names $type:ident $($era:ident $value:ident)+) => {{
        let mut out = [""; Era::ALL.len()];
        $(out[Era::$era as usize] = match $type::$value {
            value => {
                let mut i = 0;
                loop {
                    if <$type as RuleValue>::ALL[i].0 as u8 == value as u8 {
                        break <$type as RuleValue>::ALL[i].1.name;
                    }
                    i += 1;
                }
            }
        };)+
        out
    }};
}

rules! {
    /// After lock-free GUP grabbed a page, it reads the PTE again and gives the page back if the
    /// entry changed. Every kernel does; without it a page can be grabbed after it was unmapped and freed.
    gup_pte_recheck: Switch ["K§4.1, K§4.3"] { V6_15: On, V6_15Sound: On }

    /// The same re-check of the PMD: of a leaf, as every kernel does, and of the table above a PTE, which
    /// may have been taken out and reused. The latter was missing until 70cbc3cc78a9 (v6.1).
    gup_pmd_recheck: Switch ["K§4.1, B18"] { V6_15: On, V6_15Sound: On }

    /// Whether zap flushes TLBs before it drops the references of the mappings it removed.
    zap_put: ZapPut ["K§6.1, K§6.2, I22"] { V6_15: AfterFlush, V6_15Sound: AfterFlush }

    /// How an unmapper reads and clears an entry (ptep_get_and_clear). An exchange everywhere that more than one
    /// CPU may look; a load and a store on x86 without SMP. Whoever reads the page's counts next relies on it.
    zap_clear: ZapClear ["K§4.1, K§6.1, K§14"] { V6_15: Xchg, V6_15Sound: Xchg }

    /// Truncate and hole punch unmap the file and wait for references on its pages before blocks go.
    /// Missing on DAX until v4.17-4.19.
    truncate_break_layout: Switch ["K§5.5, B14"] { V6_15: On, V6_15Sound: On }

    /// Whether a block goes back to the allocator before or after its pages are idle.
    block_free: BlockFree ["K§5.5, B14, I18"] { V6_15: AfterIdle, V6_15Sound: AfterIdle }

    /// Eviction of an unlinked or unmounted inode waits for its pages. Missing until v6.15, which
    /// waits for all of them before the entries go.
    evict_wait: EvictWait ["K§5.5, K§14, B13, B44"] { V6_15: FinalIdle, V6_15Sound: FinalIdle }

    /// memunmap_pages sleeps until the last pagemap reference is gone before the struct pages go.
    /// Missing until 50f44ee7248a (v5.2 or v5.3).
    memunmap_wait: Switch ["K§3.3, B01"] { V6_15: On, V6_15Sound: On }

    /// Whether unbind waits for page references. Since v5.18 no kernel does for file system DAX and
    /// generic pages: struct pages vanish under a pin (recorded on 6.1, 6.12, 6.16 and 7.2).
    teardown_pages: TeardownPages ["K§3.3, K§14, B31, I13"] { V6_15: Ignore, V6_15Sound: WaitIdle }

    /// How a page's pagemap reference, where pages hold one, is tied to its count. Raising the count first
    /// and looking at it then was proposed in October 2022 (pgmap_request_folios) and refused in
    /// review: what others do in between is taken for one's own. Says something with teardown-pages=wait-idle only.
    request_folio: RequestFolio ["K§3.7 Era B, B07, I12"] {
        V6_15: OnTransition, V6_15Sound: OnTransition
    }

    /// Whether the count of a freed driver page is final before an allocator can find the page.
    /// Wrong from 27674ef6c73f (v5.18) to ef233450898f (v6.1).
    free_push: FreePush ["K§3.6, B04, I07, I09"] { V6_15: AfterSettled, V6_15Sound: AfterSettled }

    /// What a layout break sleeps for once it found a busy page. From v6.15 it sleeps for refcount 0
    /// although a page counts as busy only while refcount and mapcount differ, so a page that was
    /// faulted in again is never reported idle (recorded on 6.16, 6.18 and 7.2).
    idle_pred: IdlePred ["K§5.5, K§14, B33, L2"] { V6_15: RefZero, V6_15Sound: RefEqualsMap }

    /// Whether the sleep for an idle page drops the file system locks that faults need.
    wait_drops_lock: Switch ["K§5.5, B40, I20"] { V6_15: On, V6_15Sound: On }

    /// Where a fault sleeps that finds the huge entry of its range locked. With the index it came for,
    /// instead of the entry's first, as in v5.2, the unlocker's wake-up misses it.
    entry_wait_key: EntryWaitKey ["K§5.2, B25, I19"] { V6_15: Rounded, V6_15Sound: Rounded }

    /// Whether the file system still holds its lock over extents when a write takes away what faults have
    /// mapped there. A fault locks the DAX entry first and asks for the extent inside, so a lock that is
    /// kept until iomap_end turns the order round: the inversion that 9f141d6ef625 (2016) was made for.
    iomap_lock: IomapLock ["K§5.2, K§5.4, I20"] { V6_15: Begin, V6_15Sound: Begin }

    /// Where dax_layout_busy_page goes on after an entry that covers several pages. At the next index, as
    /// from v4.17 to v4.19 [U], it finds the same entry for ever.
    busy_scan: BusyScan ["K§5.5, L3"] { V6_15: PastEntry, V6_15Sound: PastEntry }

    /// What becomes of the index/share word when the last entry of an order-0 page goes. Up to v6.18
    /// the index stays and is later read as a share count; cleared in v7.2.
    share_reset: ShareReset ["K§5.3, K§14, B48, I17"] { V6_15: KeptAtOrder0, V6_15Sound: Cleared }

    /// How a reference is taken without a lock. The barrier keeps lock-free GUP's second look at the
    /// entry behind the count, where the unmapper looks; without it both can miss each other.
    gup_grab: Barrier ["K§4.1, K§4.3, I24"] { V6_15: Full, V6_15Sound: Full }

    /// How a reference on a folio is dropped. The barrier keeps every use of the page before the count,
    /// so that whoever brings it to zero frees a page that nobody is still using.
    folio_put: Barrier ["K§2.2, I08"] { V6_15: Full, V6_15Sound: Full }

    /// How a folio's count leaves zero, once its head, order and mapping are in place: when it is
    /// allocated and when it is unfrozen.
    folio_publish: Publication ["K§2.2, B10, B24, B30, I27"] { V6_15: Release, V6_15Sound: Release }

    /// How a reference on a pagemap is dropped in atomic mode. The barrier keeps every use of what the
    /// reference protects before the release callback, which takes it away.
    percpu_put: Barrier ["K§1.3, I13, I14"] { V6_15: Full, V6_15Sound: Full }
}

impl Rules {
    /// Applies `RULE=VALUE`, as `--break` takes it.
    pub fn apply(&mut self, assignment: &str) -> Result<(), RuleError> {
        let (rule, value) = assignment
            .split_once('=')
            .ok_or_else(|| RuleError::NotAnAssignment(assignment.to_owned()))?;
        self.set(rule.trim(), value.trim())
    }

    /// `(rule, value)` of every rule in which `self` differs from `other`.
    #[must_use]
    pub fn differences(&self, other: &Rules) -> Vec<(&'static str, &'static str)> {
        RULES
            .iter()
            .filter_map(|r| {
                let (mine, theirs) = (self.get(r.name).ok()?, other.get(r.name).ok()?);
                (mine != theirs).then_some((r.name, mine))
            })
            .collect()
    }

    /// `(rule, value)` of every rule.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, &'static str)> {
        RULES.iter().filter_map(|r| Some((r.name, self.get(r.name).ok()?))).collect()
    }
}
