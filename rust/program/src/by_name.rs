//! Values that are known by a name, which is what they print and serialise as.

macro_rules! serialized_by {
    ($name:ident: $($type:ty),+) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.$name())
            }
        }
    )+};
}

macro_rules! shown_by {
    ($name:ident: $($type:ty),+) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.$name())
            }
        }
    )+};
}

pub(crate) use {serialized_by, shown_by};
