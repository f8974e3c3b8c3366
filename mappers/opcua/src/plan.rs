//! Which points go into one Read: as many as the server takes, and none of a group apart from the others. Pure.

/// One point that is due, and its read group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due<'a> {
    pub point: usize,
    pub group: Option<&'a str>,
}

/// Points of one request each, in the order of sending. A group that is larger than `cap` stands by itself: only the server
/// knows whether it takes that many.
pub(crate) fn plan(due: &[Due<'_>], cap: usize) -> Vec<Vec<usize>> {
    let cap = cap.max(1);
    let mut requests: Vec<Vec<usize>> = vec![];
    for block in blocks(due) {
        match requests.last_mut() {
            Some(last) if last.len() + block.len() <= cap => last.extend(block),
            _ => requests.push(block),
        }
    }
    for request in &mut requests {
        request.sort_unstable();
    }
    requests
}

/// What may not be torn apart, each where its first point is.
fn blocks(due: &[Due<'_>]) -> Vec<Vec<usize>> {
    let mut blocks: Vec<(Option<&str>, Vec<usize>)> = vec![];
    let mut at = std::collections::HashMap::new();
    for Due { point, group } in due {
        let known = group.and_then(|group| at.get(group).copied());
        if let Some((_, block)) = known.and_then(|at: usize| blocks.get_mut(at)) {
            block.push(*point);
            continue;
        }
        if let Some(group) = group {
            at.insert(*group, blocks.len());
        }
        blocks.push((*group, vec![*point]));
    }
    blocks.into_iter().map(|(_, block)| block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_point_is_read_once_with_its_group_and_no_request_is_too_large(
            groups in prop::collection::vec(prop::option::weighted(0.3, 0..5_usize), 0..60),
            cap in 1..20_usize,
        ) {
            let names = ["a", "b", "c", "d", "e"];
            let due: Vec<_> = groups
                .iter()
                .enumerate()
                .map(|(point, group)| Due { point, group: group.and_then(|at| names.get(at).copied()) })
                .collect();
            let planned = plan(&due, cap);
            let mut all = planned.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..due.len()).collect::<Vec<_>>());
            for request in &planned {
                let group_of = |point: &usize| groups.get(*point).copied().flatten();
                for group in request.iter().filter_map(group_of) {
                    let size = groups.iter().filter(|one| **one == Some(group)).count();
                    let here = request.iter().filter(|point| group_of(point) == Some(group)).count();
                    prop_assert_eq!(size, here);
                }
                let alone = request.iter().map(group_of).collect::<std::collections::BTreeSet<_>>().len() == 1;
                prop_assert!(request.len() <= cap || alone && group_of(&request[0]).is_some());
            }
            // As few as can be where nothing is grouped.
            if groups.iter().all(Option::is_none) {
                prop_assert_eq!(planned.len(), due.len().div_ceil(cap));
            }
        }
    }
}
