//! The cheapest requests, by trying every way to divide the values; and what taking whatever fits makes of them. Imports nothing
//! of what it judges.

/// First address, and one past the last.
pub(crate) type Span = (u32, u32);

/// What may be asked of one table, and what it costs.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) cap: u32,
    pub(crate) gap: u32,
    /// Of a request, and of an address.
    pub(crate) price: (u64, u64),
    /// Never read along, and nothing else with what stands there.
    pub(crate) avoid: Vec<Span>,
    /// Values that are read by themselves.
    pub(crate) alone: Vec<Span>,
}

impl Terms {
    /// May these be read in one request?
    pub(crate) fn legal(&self, spans: &[Span]) -> bool {
        let mut sorted = spans.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let [(first, mut end), _, ..] = sorted[..] else { return true };
        let meets = |span: &Span, other: &Span| span.0 < other.1 && other.0 < span.1;
        for span in sorted {
            let hole = (end, span.0.max(end));
            let along = |other: &Span| meets(&hole, other) && hole.0 < hole.1;
            if hole.1 - hole.0 > self.gap || self.avoid.iter().chain(&self.alone).any(along) {
                return false;
            }
            if self.alone.contains(&span) || self.avoid.iter().any(|avoid| meets(&span, avoid)) {
                return false;
            }
            end = end.max(span.1);
        }
        end - first <= self.cap
    }
    pub(crate) fn cost(&self, spans: &[Span]) -> u64 {
        let first = spans.iter().map(|span| span.0).min().unwrap_or(0);
        let end = spans.iter().map(|span| span.1).max().unwrap_or(0);
        self.price.0 + self.price.1 * u64::from(end - first)
    }
    /// What the cheapest way costs.
    pub(crate) fn cheapest(&self, spans: &[Span]) -> u64 {
        let mut best = spans.iter().map(|span| self.cost(&[*span])).sum();
        self.divide(spans, &mut vec![], &mut best);
        best
    }
    /// What it costs to take whatever fits into the request that is open.
    pub(crate) fn greedy(&self, spans: &[Span]) -> u64 {
        let mut sorted = spans.to_vec();
        sorted.sort_unstable();
        let mut requests: Vec<Vec<Span>> = vec![];
        for span in sorted {
            if let Some(open) = requests.last_mut() {
                open.push(span);
                if self.legal(open) {
                    continue;
                }
                open.pop();
            }
            requests.push(vec![span]);
        }
        requests.iter().map(|request| self.cost(request)).sum()
    }

    /// Puts the first value into every request there is, and into one of its own.
    fn divide(&self, spans: &[Span], requests: &mut Vec<Vec<Span>>, best: &mut u64) {
        let so_far = requests.iter().map(|request| self.cost(request)).sum::<u64>();
        if so_far >= *best {
            return; // it only becomes dearer
        }
        let Some((first, rest)) = spans.split_first() else {
            if requests.iter().all(|request| self.legal(request)) {
                *best = so_far;
            }
            return;
        };
        for at in 0..=requests.len() {
            if at == requests.len() {
                requests.push(vec![]);
            }
            requests[at].push(*first);
            self.divide(rest, requests, best);
            requests[at].pop();
            if requests[at].is_empty() {
                requests.pop();
            }
        }
    }
}
