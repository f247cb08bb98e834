//! Kernel error numbers, and the two ways an access can die. Mirrors
//! include/uapi/asm-generic/errno-base.h and errno.h; only numbers this product can meet are listed.
//!
//! A system call returns a value, an [`Errno`], or never returns because the task died ([`Died`]).
//! Recordings fold the three into one integer: value ≥ 0, −errno, or the codes of [`Died`].

use std::fmt;

use serde::Serialize;

use crate::by_name::{serialized_by, shown_by};

macro_rules! errnos {
    ($($name:ident = $number:literal, $meaning:literal;)+) => {
        /// A kernel error number, named as the kernel names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(clippy::upper_case_acronyms)] // kernel names for kernel things
        #[repr(i32)]
        pub enum Errno {
            $(#[doc = $meaning] $name = $number,)+
        }

        impl Errno {
            /// Every number, in ascending order.
            pub const ALL: &'static [Errno] = &[$(Errno::$name),+];

            /// The kernel's name, `"EBUSY"`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Errno::$name => stringify!($name)),+ }
            }

            /// What it means, as `strerror` says it.
            #[must_use]
            pub const fn describe(self) -> &'static str {
                match self { $(Errno::$name => $meaning),+ }
            }
        }
    };
}

errnos! {
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    ESRCH = 3, "No such process";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "Input/output error";
    ENXIO = 6, "No such device or address";
    E2BIG = 7, "Argument list too long";
    EBADF = 9, "Bad file descriptor";
    ECHILD = 10, "No child processes";
    EAGAIN = 11, "Resource temporarily unavailable";
    ENOMEM = 12, "Cannot allocate memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    EBUSY = 16, "Device or resource busy";
    EEXIST = 17, "File exists";
    ENODEV = 19, "No such device";
    ENOTDIR = 20, "Not a directory";
    EINVAL = 22, "Invalid argument";
    ENFILE = 23, "Too many open files in system";
    EMFILE = 24, "Too many open files";
    ETXTBSY = 26, "Text file busy";
    EFBIG = 27, "File too large";
    ENOSPC = 28, "No space left on device";
    EROFS = 30, "Read-only file system";
    EPIPE = 32, "Broken pipe";
    ERANGE = 34, "Numerical result out of range";
    EDEADLK = 35, "Resource deadlock avoided";
    ENOSYS = 38, "Function not implemented";
    ENODATA = 61, "No data available";
    EOVERFLOW = 75, "Value too large for defined data type";
    EOPNOTSUPP = 95, "Operation not supported";
    ETIMEDOUT = 110, "Connection timed out";
    EREMOTEIO = 121, "Remote I/O error";
    EHWPOISON = 133, "Memory page has hardware error";
}

impl Errno {
    /// The number, positive.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self as i32
    }

    /// The errno with this positive number, if it is one that pgmap knows.
    #[must_use]
    pub fn from_raw(raw: i32) -> Option<Errno> {
        Errno::ALL.iter().copied().find(|e| e.raw() == raw)
    }

    /// The errno of this name (`"EBUSY"`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Errno> {
        Errno::ALL.iter().copied().find(|e| e.name() == name)
    }

    /// The value a system call returns for it: the negated number.
    #[must_use]
    pub const fn as_return(self) -> i64 {
        -(self as i64)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.describe())
    }
}

impl std::error::Error for Errno {}

serialized_by!(name: Errno);

/// A memory access that ended the task instead of returning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Died {
    /// The page is beyond the end of the file, gone, or poisoned.
    Sigbus,
    /// Nothing is mapped at the address, or not with this permission.
    Sigsegv,
}

impl Died {
    /// Every signal that a step can die of.
    pub const ALL: [Died; 2] = [Died::Sigbus, Died::Sigsegv];

    /// The code recordings use in place of a return value.
    #[must_use]
    pub const fn as_return(self) -> i64 {
        match self {
            Died::Sigbus => -1007,
            Died::Sigsegv => -1011,
        }
    }

    /// The signal's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Died::Sigbus => "SIGBUS",
            Died::Sigsegv => "SIGSEGV",
        }
    }
}

shown_by!(name: Died);

/// A recorded return value in words: `4096`, `-EBUSY`, `died: SIGBUS`.
#[must_use]
pub fn describe_return(value: i64) -> String {
    if let Some(died) = Died::ALL.into_iter().find(|d| d.as_return() == value) {
        return format!("died: {died}");
    }
    if value < 0 {
        let errno = value.checked_neg().and_then(|v| i32::try_from(v).ok());
        if let Some(errno) = errno.and_then(Errno::from_raw) {
            return format!("-{}", errno.name());
        }
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(Errno::EBUSY.raw(), 16);
        assert_eq!(Errno::EOPNOTSUPP.raw(), 95);
        assert_eq!(Errno::EREMOTEIO.raw(), 121);
    }

    #[test]
    fn every_errno_is_found_again_by_number_and_by_name() {
        for &e in Errno::ALL {
            assert_eq!(Errno::from_raw(e.raw()), Some(e));
            assert_eq!(Errno::from_name(e.name()), Some(e));
            assert!(!e.describe().is_empty());
        }
        assert!(Errno::ALL.windows(2).all(|w| w[0].raw() < w[1].raw()), "ascending, no duplicates");
    }

    #[test]
    fn an_unknown_number_is_no_errno() {
        assert_eq!(Errno::from_raw(0), None);
        assert_eq!(Errno::from_raw(-16), None);
        assert_eq!(Errno::from_raw(4000), None);
    }

    #[test]
    fn a_return_value_reads_as_value_errno_or_death() {
        assert_eq!(describe_return(4096), "4096");
        assert_eq!(describe_return(-16), "-EBUSY");
        assert_eq!(describe_return(-1007), "died: SIGBUS");
        assert_eq!(describe_return(-1011), "died: SIGSEGV");
        assert_eq!(describe_return(-4000), "-4000");
        assert_eq!(describe_return(i64::MIN), i64::MIN.to_string());
    }
}
