//! A ring of workers each of which waits for the next.

use pgmap_program::op::WorkerId;

/// The first ring in a graph of who waits for whom, from its smallest worker on and back to it. Empty if
/// there is none: then they wait for what nobody does.
pub(super) fn ring(waits_for: &[(WorkerId, WorkerId)]) -> Vec<WorkerId> {
    let mut all: Vec<WorkerId> = waits_for.iter().map(|(waits, _)| *waits).collect();
    all.sort_unstable_by_key(|worker| worker.0);
    all.into_iter().find_map(|start| path(waits_for, &mut vec![start])).unwrap_or_default()
}

/// Extends `path` until it comes back to its beginning.
fn path(waits_for: &[(WorkerId, WorkerId)], so_far: &mut Vec<WorkerId>) -> Option<Vec<WorkerId>> {
    let (first, last) = (*so_far.first()?, *so_far.last()?);
    for &(_, next) in waits_for.iter().filter(|(waits, _)| *waits == last) {
        if next == first {
            so_far.push(first);
            return Some(so_far.clone());
        }
        if so_far.contains(&next) {
            continue;
        }
        so_far.push(next);
        if let Some(found) = path(waits_for, so_far) {
            return Some(found);
        }
        so_far.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edges: &[(u8, u8)]) -> Vec<u8> {
        let edges: Vec<_> = edges.iter().map(|(a, b)| (WorkerId(*a), WorkerId(*b))).collect();
        ring(&edges).iter().map(|worker| worker.0).collect()
    }

    #[test]
    fn a_ring_is_found_behind_dead_ends_and_a_chain_is_none() {
        assert_eq!(of(&[(0, 1), (1, 0)]), [0, 1, 0]);
        assert_eq!(of(&[(3, 1), (1, 4), (1, 2), (2, 0), (0, 1)]), [0, 1, 2, 0]);
        assert_eq!(of(&[(2, 2)]), [2, 2], "who waits for itself");
        assert_eq!(of(&[(0, 1), (1, 2), (0, 2)]), [0u8; 0]);
        assert_eq!(of(&[]), [0u8; 0]);
    }
}
