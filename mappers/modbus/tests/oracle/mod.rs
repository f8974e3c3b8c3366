//! The fewest requests, by trying every way to divide the values. Imports nothing of what it judges.

/// May these be read in one request? As long as allowed, and no more read along than allowed.
fn legal(spans: &[(u32, u32)], cap: u32, gap: u32) -> bool {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let Some(&(first, mut end)) = sorted.first() else { return true };
    for (from, to) in sorted {
        if from > end + gap {
            return false;
        }
        end = end.max(to);
    }
    end - first <= cap
}

pub(crate) fn fewest(spans: &[(u32, u32)], cap: u32, gap: u32) -> usize {
    divide(spans, &mut vec![], cap, gap).unwrap_or(0)
}

/// Puts the first value into every request there is, and into one of its own.
fn divide(spans: &[(u32, u32)], requests: &mut Vec<Vec<(u32, u32)>>, cap: u32, gap: u32) -> Option<usize> {
    let Some((first, rest)) = spans.split_first() else {
        return requests.iter().all(|request| legal(request, cap, gap)).then_some(requests.len());
    };
    let mut best = None;
    for at in 0..=requests.len() {
        if at == requests.len() {
            requests.push(vec![]);
        }
        requests[at].push(*first);
        best = [best, divide(rest, requests, cap, gap)].into_iter().flatten().min();
        requests[at].pop();
        if requests[at].is_empty() {
            requests.pop();
        }
    }
    best
}
