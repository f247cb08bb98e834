//! Names compared at compile time, where `==` on strings is not to be had: presets are constants.

/// `a == b`.
pub(crate) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn the_same_is_every_byte_and_no_more() {
        assert!(same("", "") && same("zap-put", "zap-put"));
        assert!(!same("zap-put", "zap-pus") && !same("zap", "zap-put") && !same("zap-put", "zap"));
    }
}
