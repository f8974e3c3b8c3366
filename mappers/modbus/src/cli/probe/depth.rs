//! How many requests may be under way at once: as many reads as that, of different lengths, so that an answer that is another's shows.
use super::{Client, Found, Probe, REST, ranges::Survey};
use crate::{
    cli::{client::Reply, scan::millis, table::aligned},
    plan::Range,
};
use futures_util::future::join_all;
use pollux_crds::ModbusDevice;
use pollux_mapper::Out;
use std::time::{Duration, Instant};

/// Rounds at each depth.
const ROUNDS: u32 = 4;
/// A deeper pipeline must be so much faster to be worth it.
const WORTH: f64 = 0.9;

/// One depth that was tried.
#[derive(Debug, Clone, PartialEq)]
struct Tried {
    depth: usize,
    asked: u32,
    right: u32,
    each: Duration,
}
impl Tried {
    fn is_right(&self) -> bool {
        self.asked > 0 && self.right == self.asked
    }
}

/// All that were tried, the shallowest first.
#[derive(Debug, Default)]
pub(super) struct Depth(Vec<Tried>);

impl Depth {
    /// The deepest that lost nothing and was worth it.
    pub(super) fn best(&self) -> usize {
        let mut best: Option<&Tried> = None;
        for tried in self.0.iter().take_while(|tried| tried.is_right()) {
            if best.is_none_or(|b| tried.each.as_secs_f64() < b.each.as_secs_f64() * WORTH) {
                best = Some(tried);
            }
        }
        best.map_or(1, |tried| tried.depth)
    }
    pub(super) fn table(&self) -> String {
        let mut rows = vec![["pipeline", "right", "of", "each"].map(str::to_owned).to_vec()];
        for Tried { depth, asked, right, each } in &self.0 {
            rows.push(vec![depth.to_string(), right.to_string(), asked.to_string(), millis(*each)]);
        }
        format!("\n{}", aligned(&rows, &[0, 1, 2, 3]))
    }
}

impl Probe {
    /// A connection of its own for each depth; ends at the first that loses an answer.
    pub(super) async fn depths(&mut self, survey: &Survey, out: &mut Out) -> Depth {
        let mut depths = Depth::default();
        let mut depth = 1;
        while depth <= self.deepest {
            out.progress(&format!("pipeline of {depth}"));
            let tried = match self.depth(depth, survey).await {
                Ok(Some(tried)) => tried,
                Ok(None) => break,
                Err(error) => {
                    out.remark(&format!("no pipeline of {depth} was tried: {error}"));
                    break;
                }
            };
            let right = tried.is_right();
            depths.0.push(tried);
            if !right {
                break;
            }
            depth *= 2;
        }
        depths
    }

    /// None: too few requests are left.
    async fn depth(&mut self, depth: usize, survey: &Survey) -> Result<Option<Tried>, String> {
        let Some(row) = survey.there.iter().copied().max_by_key(|part| part.count()) else { return Ok(None) };
        let asked = u32::try_from(depth).unwrap_or(u32::MAX).saturating_mul(ROUNDS);
        if self.budget < asked {
            return Ok(None);
        }
        self.budget -= asked;
        let device = ModbusDevice { pipeline: i32::try_from(depth).ok(), ..self.target.device.clone() };
        let mut client = Client::open(&device, self.timeout).await;
        if client.is_err() {
            tokio::time::sleep(REST).await; // it may take one connection only, and still hold the last
            client = Client::open(&device, self.timeout).await;
        }
        let client = client?;
        let (began, mut right) = (Instant::now(), 0);
        for _ in 0..ROUNDS {
            let reads = (0..depth).map(|n| self.one(&client, row, survey.largest, n));
            right += join_all(reads).await.into_iter().map(u32::from).sum::<u32>();
        }
        Ok(Some(Tried { depth, asked, right, each: began.elapsed() / asked }))
    }

    /// Whether a read of a length of its own was answered with that length.
    async fn one(&self, client: &Client, row: Found, most: u16, n: usize) -> bool {
        let lengths = row.count().min(most).clamp(1, 16);
        let count = 1 + u16::try_from(n).unwrap_or_default() % lengths;
        let range = Range { table: self.table, start: row.first, count };
        matches!(client.read(self.unit, range).await, Ok(Reply::Data(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Depth, answers lost, microseconds for each.
    fn depth(tried: &[(usize, u32, u64)]) -> Depth {
        let tried = tried.iter().map(|(depth, lost, micros)| {
            let asked = u32::try_from(*depth).unwrap() * ROUNDS;
            Tried { depth: *depth, asked, right: asked - lost, each: Duration::from_micros(*micros) }
        });
        Depth(tried.collect())
    }

    #[test]
    fn the_deepest_pipeline_that_loses_nothing_and_is_faster_is_proposed() {
        assert_eq!(depth(&[(1, 0, 1000), (2, 0, 500), (4, 0, 250)]).best(), 4);
        assert_eq!(depth(&[(1, 0, 1000), (2, 0, 500), (4, 1, 250)]).best(), 2, "4 lost one");
        assert_eq!(depth(&[(1, 0, 1000), (2, 0, 990), (4, 0, 980)]).best(), 1, "not worth it");
        assert_eq!(depth(&[(1, 0, 1000), (2, 0, 600), (4, 0, 590), (8, 0, 300)]).best(), 8);
        assert_eq!(depth(&[(1, 1, 1000)]).best(), 1);
        assert_eq!(depth(&[]).best(), 1);
        let table = "\npipeline  right  of    each\n       1      4   4  1.0 ms\n       2      7   8  0.5 ms\n";
        assert_eq!(depth(&[(1, 0, 1000), (2, 1, 500)]).table(), table);
    }
}
