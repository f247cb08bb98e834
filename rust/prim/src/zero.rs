//! Which types may appear out of zeroed memory, and the two macros that declare them without
//! `unsafe` in the crates above.
//!
//! * [`ZeroInit`]: shared objects that live in an arena and are only ever seen through `&T`.
//! * [`PlainData`]: what a lock guards: `Copy` records that its holder reads and writes as a whole.

/// Arena data: atomics, locks, ghosts, and structs and arrays of those.
///
/// # Safety
/// All-zero bytes are a valid value; no `Drop`, no pointer or reference inside; every byte that can
/// change does so behind interior mutability, so that `&T` to memory that others write is sound.
pub unsafe trait ZeroInit: Sized + Sync {
    /// What its bytes are called.
    const LAYOUT: Layout = Layout::Whole;
}

// SAFETY: an array is its elements.
unsafe impl<T: ZeroInit, const N: usize> ZeroInit for [T; N] {
    const LAYOUT: Layout = Layout::Elements { stride: size_of::<T>(), each: &T::LAYOUT };
}

/// The bytes of a type by name: what is told of a word, and what it is known by, stays when others are put beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One thing. Its bytes are known by their place.
    Whole,
    Fields(&'static [Field]),
    Elements {
        stride: usize,
        each: &'static Layout,
    },
}

/// A field of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub offset: usize,
    pub bytes: usize,
    pub layout: Layout,
}

impl Layout {
    /// The field that this byte is in, of a struct.
    #[must_use]
    pub fn field(&self, byte: usize) -> Option<&'static Field> {
        let Self::Fields(fields) = self else { return None };
        fields.iter().find(|field| (field.offset..field.offset + field.bytes).contains(&byte))
    }
}

/// Data under a lock.
///
/// # Safety
/// All-zero bytes are a valid value, and the type contains no pointer and no interior mutability.
pub unsafe trait PlainData: Copy + Send + 'static {
    /// The value that zeroed memory holds.
    #[must_use]
    fn zeroed() -> Self {
        // SAFETY: that zero bytes are a valid value is what the trait promises.
        unsafe { core::mem::zeroed() }
    }
}

macro_rules! plain_scalars {
    ($($t:ty),*) => { $(
        // SAFETY: zero bytes are 0, or false, or nothing.
        unsafe impl PlainData for $t {}
    )* };
}
plain_scalars!((), bool, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

// SAFETY: an array is its elements.
unsafe impl<T: PlainData, const N: usize> PlainData for [T; N] {}

/// Declares a struct of [`ZeroInit`] fields and makes it one. Attributes, docs and visibilities are
/// kept; `#[repr(C)]` is added, so fields stay in the order written.
///
/// ```
/// #![forbid(unsafe_code)]
/// pgmap_prim::zeroed! {
///     /// A page.
///     #[derive(Debug)]
///     pub struct Page {
///         /// References.
///         pub refcount: pgmap_prim::AtomicI32,
///         links: [pgmap_prim::AtomicU32; 2],
///     }
/// }
/// ```
///
/// A field that is not `ZeroInit` does not compile:
/// ```compile_fail
/// pgmap_prim::zeroed! { struct Bad { pointer: Box<u8>, } }
/// ```
#[macro_export]
macro_rules! zeroed {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $ty:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[repr(C)]
        $vis struct $name {
            $( $(#[$field_meta])* $field_vis $field : $ty, )*
        }

        // SAFETY: repr(C) over fields that are each ZeroInit, or there would be no layout of them.
        unsafe impl $crate::ZeroInit for $name {
            const LAYOUT: $crate::Layout = $crate::Layout::Fields(&[
                $( $crate::Field {
                    name: stringify!($field),
                    offset: core::mem::offset_of!($name, $field),
                    bytes: size_of::<$ty>(),
                    layout: <$ty as $crate::ZeroInit>::LAYOUT,
                }, )*
            ]);
        }
    };
}

/// Declares a `Copy` struct of [`PlainData`] fields (or a unit struct) and makes it one. The derives
/// are the caller's: `Clone` and `Copy` are required. `#[repr(C)]` is added.
///
/// ```
/// #![forbid(unsafe_code)]
/// pgmap_prim::plain! {
///     #[derive(Clone, Copy, Debug, Default)]
///     pub struct FreeList { head: u32, free: [u16; 4], sealed: bool, }
/// }
/// pgmap_prim::plain! {
///     #[derive(Clone, Copy, Debug)]
///     pub struct SwitchLock;
/// }
/// ```
///
/// ```compile_fail
/// pgmap_prim::plain! { #[derive(Clone, Copy)] struct Bad { name: &'static str, } }
/// ```
#[macro_export]
macro_rules! plain {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $ty:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[repr(C)]
        $vis struct $name {
            $( $(#[$field_meta])* $field_vis $field : $ty, )*
        }

        // SAFETY: repr(C) over fields that are each PlainData, checked just below.
        unsafe impl $crate::PlainData for $name {}
        const _: fn() = || { $( $crate::zero::require_plain_data::<$ty>(); )* };
    };
    ( $(#[$meta:meta])* $vis:vis struct $name:ident ; ) => {
        $(#[$meta])*
        $vis struct $name;

        // SAFETY: no bytes.
        unsafe impl $crate::PlainData for $name {}
    };
}

#[doc(hidden)]
pub fn require_plain_data<T: PlainData>() {}
