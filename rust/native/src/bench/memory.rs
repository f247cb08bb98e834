//! Bytes of a count, by what each scheme says that it needs; that it takes as much is tested beside the schemes.

use pgmap_schemes::kinds::{self, Visit};
use pgmap_schemes::scheme::{Group, Scheme};

/// Pages whose counts are shared out; a table that there is once then weighs what it does on a machine.
const PAGES: usize = 1 << 20;

/// Bytes of a scheme on a machine of so many CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// CPUs of the machine.
    pub cpus: usize,
    /// Of one page among a million.
    pub page: usize,
    /// Of a pagemap, of which there is one.
    pub pagemap: usize,
}

/// A scheme, and its bytes on machines of several sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// What it is called.
    pub scheme: &'static str,
    /// What it may be compared with.
    pub group: Group,
    /// On each machine.
    pub bytes: Vec<Bytes>,
}

/// Every scheme on machines of these sizes.
#[must_use]
pub fn footprints(machines: &[usize]) -> Vec<Footprint> {
    struct Each<'a>(&'a [usize], Vec<Footprint>);
    impl Visit for Each<'_> {
        fn visit<S: Scheme>(&mut self) {
            let of = |&cpus: &usize| Bytes {
                cpus,
                page: S::bytes(cpus, PAGES) / PAGES,
                pagemap: S::bytes(cpus, 1),
            };
            let bytes = self.0.iter().map(of).collect();
            self.1.push(Footprint { scheme: S::NAME, group: S::CAPS.group(), bytes });
        }
    }
    let mut each = Each(machines, Vec::new());
    kinds::each(&mut each);
    each.1.sort_by_key(|footprint| footprint.group);
    each.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_word_and_a_row_grows_with_the_machine() {
        let found = footprints(&[2, 64]);
        let of = |scheme: &str| {
            let found = found.iter().find(|found| found.scheme == scheme).expect("a scheme");
            found.bytes.iter().map(|bytes| bytes.page).collect::<Vec<_>>()
        };
        assert_eq!(of("cas unless zero"), [4, 4]);
        let [two, many] = of("percpu, grace period")[..] else { panic!("two machines") };
        assert!(many > 30 * two);
    }
}
