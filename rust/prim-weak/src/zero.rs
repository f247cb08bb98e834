//! Which types have a zero, and the two macros that declare them.
//!
//! The names and the rules of the native face. There zero is a state of bytes; here it is made, field by
//! field.

/// Table data: atomics, locks, ghosts, and structs and arrays of those.
pub trait ZeroInit: Sized + Send + Sync {
    /// What untouched memory holds.
    #[must_use]
    fn zeroed() -> Self;

    /// Makes it new again, word by word, relaxed.
    fn wipe(&self);
}

impl<T: ZeroInit, const N: usize> ZeroInit for [T; N] {
    fn zeroed() -> Self {
        core::array::from_fn(|_| T::zeroed())
    }

    fn wipe(&self) {
        self.iter().for_each(T::wipe);
    }
}

/// Data under a lock.
pub trait PlainData: Copy + Send + 'static {
    /// The value that untouched memory holds.
    #[must_use]
    fn zeroed() -> Self;
}

macro_rules! plain_scalars {
    ($($t:ty),*) => { $(
        impl PlainData for $t {
            fn zeroed() -> Self {
                <$t>::default()
            }
        }
    )* };
}
plain_scalars!((), bool, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

impl<T: PlainData, const N: usize> PlainData for [T; N] {
    fn zeroed() -> Self {
        [T::zeroed(); N]
    }
}

/// Declares a struct of [`ZeroInit`] fields and makes it one.
#[macro_export]
macro_rules! zeroed {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $ty:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[$field_meta])* $field_vis $field : $ty, )*
        }

        impl $crate::ZeroInit for $name {
            fn zeroed() -> Self {
                Self { $( $field: <$ty as $crate::ZeroInit>::zeroed(), )* }
            }

            fn wipe(&self) {
                $( <$ty as $crate::ZeroInit>::wipe(&self.$field); )*
            }
        }
    };
}

/// Declares a `Copy` struct of [`PlainData`] fields (or a unit struct) and makes it one.
#[macro_export]
macro_rules! plain {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $ty:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[$field_meta])* $field_vis $field : $ty, )*
        }

        impl $crate::PlainData for $name {
            fn zeroed() -> Self {
                Self { $( $field: <$ty as $crate::PlainData>::zeroed(), )* }
            }
        }
    };
    ( $(#[$meta:meta])* $vis:vis struct $name:ident ; ) => {
        $(#[$meta])*
        $vis struct $name;

        impl $crate::PlainData for $name {
            fn zeroed() -> Self {
                Self
            }
        }
    };
}
