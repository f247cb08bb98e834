//! What Linux can do with such memory, or its recorder can ask for, and this model cannot yet: told from typing
//! mistakes, because whoever writes `migrate` has not mistyped anything.

use crate::op::{Advice, OpenMode, Operation};

/// A kind of operation; a name that ends in `*` stands for all words that begin so.
#[derive(Debug)]
struct Family {
    names: &'static [&'static str],
    what: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        names: &["hmm_*", "devmem_*", "device_private*", "device_coherent*"],
        what: "mirror devices",
    },
    Family { names: &["migrate*", "migration*", "move_pages"], what: "migration" },
    Family { names: &["split_*", "folio_split*"], what: "splitting a file's folios" },
    Family { names: &["p2p*", "pci_p2p*"], what: "peer-to-peer memory" },
    Family { names: &["devdax*", "dax_*", "fsdev_*"], what: "device-dax" },
    Family { names: &["mprotect*", "pkey_*"], what: "mprotect" },
    Family { names: &["mlock*", "munlock*", "populate*"], what: "locked memory" },
    Family { names: &["userfaultfd*", "uffd_*"], what: "userfaultfd" },
    Family { names: &["ksm*", "swap*", "numa_*", "khugepaged*"], what: "reclaim and merging" },
    Family { names: &["collapse*", "insert_range", "fallocate"], what: "shifting a file's range" },
    Family { names: &["dedupe*", "clone_range", "copy_range"], what: "shared blocks" },
    Family { names: &["rename", "link", "symlink", "mkdir", "rmdir"], what: "directories" },
    Family { names: &["splice", "sendfile", "copy_file_range"], what: "copies inside the kernel" },
    Family { names: &["pvmwrite", "ptrace_*"], what: "writes to another process" },
    Family {
        names: &["memory_failure", "hwpoison", "soft_offline", "unpoison"],
        what: "memory failures",
    },
    Family { names: &["hotplug", "offline", "online", "memremap", "memunmap"], what: "hotplug" },
    Family { names: &["notifier_*", "mmu_notifier*", "hmm"], what: "notifiers of the mm" },
    Family { names: &["kvm_*", "vfio_*", "iommu_*", "rdma_*"], what: "long-term users of pins" },
    Family { names: &["sp", "held"], what: "holding a task in the middle of a call" },
    Family {
        names: &["peek", "poke", "fpeek", "drainpeek", "fill", "hog", "where"],
        what: "the bytes of pages and the blocks of files, by their numbers",
    },
    Family { names: &["sysfs"], what: "writes to sysfs" },
    Family { names: &["sh"], what: "shell commands other than mount" },
];

/// The words by which programs ask for something else than the model has.
const ADVICE: &[&str] = &[
    "normal",
    "random",
    "sequential",
    "willneed",
    "free",
    "remove",
    "dofork",
    "dontfork",
    "hwpoison",
    "hugepage",
    "nohugepage",
    "cold",
    "pageout",
    "populate_read",
    "populate_write",
    "collapse",
];
const PROTS: &[&str] = &["none", "w", "x", "rx", "wx", "rwx"];
const MAP_FLAGS: &[&str] = &["populate", "fixed", "locked", "sync", "noreserve", "huge"];
const MODES: &[&str] =
    &["ro", "rw", "wo", "direct", "sync", "dsync", "append", "trunc", "creat", "excl", "tmpfile"];

/// Why the model cannot do this yet, if it is something that can be asked of a kernel.
pub(crate) fn reason(name: &str, args: &[&str]) -> Option<String> {
    let what = match (name, args) {
        ("open", [_, path, _]) if path.starts_with("/dev/dax") => format!("device-dax ({path})"),
        ("open", [_, path, _]) if path.starts_with('/') => format!("the device {path}"),
        ("open", [_, _, mode]) if is_mode(mode) => format!("opening {mode}"),
        ("open", [_, path, _]) => format!("a file of unknown size ({path})"),
        ("madvise", [_, advice, _]) if is_advice(advice) => format!("madvise {advice}"),
        ("mmap", [_, _, _, _, prot, ..]) if PROTS.contains(prot) => {
            format!("mappings with protection {prot}")
        }
        ("mmap", [_, _, _, _, _, _, flags @ ..]) => {
            let flag = flags.iter().find(|flag| MAP_FLAGS.contains(flag))?;
            format!("mappings with {flag}")
        }
        _ => family(name)?.to_owned(),
    };
    Some(format!("{what}: not supported yet"))
}

/// What a word is about that the model lacks; nothing of what it has of a family.
fn family(name: &str) -> Option<&'static str> {
    if Operation::named(name).is_some() {
        return None;
    }
    let named = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == *pattern,
    };
    FAMILIES.iter().find(|family| family.names.iter().any(named)).map(|family| family.what)
}

/// Whether kernels know such a way to open a file.
pub(crate) fn is_mode(mode: &str) -> bool {
    OpenMode::from_word(mode).is_none() && mode.split(',').all(|part| MODES.contains(&part))
}

fn is_advice(advice: &str) -> bool {
    // The numbers of include/uapi/asm-generic/mman-common.h.
    let number = advice.parse::<u32>().is_ok_and(|n| matches!(n, 0..=3 | 8..=25 | 100));
    Advice::from_word(advice).is_none() && (number || ADVICE.contains(&advice))
}

/// Every word that stands for something the model lacks, with what that is; `*` as in the table.
pub fn lacking() -> impl Iterator<Item = (&'static str, &'static str)> {
    FAMILIES.iter().flat_map(|family| family.names.iter().map(|name| (*name, family.what)))
}
