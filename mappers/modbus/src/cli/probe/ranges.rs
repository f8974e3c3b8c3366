//! What of a range can be read, and how much at once: halves of what was refused are asked for, down to single addresses.
use super::{Client, MAX_LOST, Probe};
use crate::{
    cli::{client::Reply, place},
    frame::is_refused_range,
    plan::Range,
};
use pollux_crds::{ModbusTable, Place};
use pollux_mapper::Out;

/// Consecutive addresses, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) first: u16,
    pub(super) last: u16,
}
impl Found {
    fn shown(self, table: ModbusTable) -> String {
        let first = Place { table, address: self.first.into() };
        let last = Place { table, address: self.last.into() };
        if self.first == self.last {
            return place::shown(first);
        }
        let name = table.name();
        format!("{name} {} to {} ({}-{})", self.first, self.last, first.register(), last.register())
    }
    pub(super) fn count(self) -> u16 {
        (self.last - self.first).saturating_add(1)
    }
}

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// What answers, in order, parts that touch being one.
    pub(super) there: Vec<Found>,
    pub(super) holes: Vec<Found>,
    /// Most addresses that one read answered.
    pub(super) largest: u16,
    /// A read of so many, all of them there, was refused or stayed without an answer.
    too_much: Option<u16>,
    /// What was said where something was refused, the last time.
    refusal: Option<Reply>,
    /// Why it is no more than a part.
    pub(super) cut: Option<String>,
}

impl Survey {
    pub(super) fn first(&self) -> Option<Found> {
        self.there.first().copied()
    }
    pub(super) fn why_not(&self) -> String {
        let refusal = self.refusal.as_ref().map(Reply::to_string);
        refusal.or_else(|| self.cut.clone()).unwrap_or_else(|| "no answer".into())
    }
    /// What one read may ask for, where less than the standard allows.
    pub(super) fn limit(&self) -> Option<u16> {
        self.too_much.map(|_| self.largest)
    }
    pub(super) fn remark(&self, table: ModbusTable) -> String {
        match self.too_much {
            Some(count) => format!(" ({count} are refused though all are there)"),
            None if self.largest == place::most(table) => " (the most that the standard allows)".into(),
            None => " (no more in a row are there to be asked for)".into(),
        }
    }
    pub(super) fn holes_shown(&self, table: ModbusTable) -> Vec<String> {
        self.holes.iter().map(|hole| hole.shown(table)).collect()
    }
    /// Holes that a merged read could run into: between addresses that are there.
    pub(super) fn inner_holes(&self) -> impl Iterator<Item = Found> + '_ {
        let (first, last) = (self.there.first().map(|f| f.first), self.there.last().map(|f| f.last));
        self.holes
            .iter()
            .copied()
            .filter(move |hole| first.is_some_and(|f| hole.first > f) && last.is_some_and(|l| hole.last < l))
    }
    fn note(&mut self, part: Found, there: bool) {
        let parts = if there { &mut self.there } else { &mut self.holes };
        match parts.last_mut().filter(|last| last.last.checked_add(1) == Some(part.first)) {
            Some(last) => last.last = part.last,
            None => parts.push(part),
        }
    }
}

impl Probe {
    /// Left to right, so that neighbours meet.
    pub(super) async fn survey(&mut self, client: &mut Client, out: &mut Out) -> Survey {
        let mut survey = Survey::default();
        if let Err(cut) = self.look(client, &mut survey, out).await {
            survey.cut = Some(cut);
        }
        survey
    }

    /// Err: why no more is known.
    async fn look(&mut self, client: &mut Client, survey: &mut Survey, out: &mut Out) -> Result<(), String> {
        let cap = place::most(self.table);
        let mut open: Vec<Found> = (self.first..=self.last)
            .step_by(cap.into())
            .map(|first| Found { first, last: first.saturating_add(cap - 1).min(self.last) })
            .collect();
        open.reverse();
        while let Some(part) = open.pop() {
            out.progress(&format!("looking at address {} of {} to {}", part.first, self.first, self.last));
            match self.sure(client, part).await? {
                Reply::Data(_) => {
                    survey.largest = survey.largest.max(part.count());
                    survey.note(part, true);
                }
                refused if part.count() == 1 => {
                    survey.refusal = Some(refused);
                    survey.note(part, false);
                }
                Reply::Exception(code) if !is_refused_range(code) => {
                    let reply = Reply::Exception(code);
                    let why = format!("at {}: {reply}", part.shown(self.table));
                    survey.refusal = Some(reply);
                    return Err(why); // halves would be refused alike
                }
                refused => {
                    survey.refusal = Some(refused);
                    let middle = part.first + (part.last - part.first) / 2;
                    open.push(Found { first: middle + 1, last: part.last });
                    open.push(Found { first: part.first, last: middle });
                }
            }
        }
        self.limit(client, survey, out).await
    }

    /// The most of what is there without a hole: more than one read has answered so far, up to the standard's limit.
    async fn limit(&mut self, client: &mut Client, survey: &mut Survey, out: &mut Out) -> Result<(), String> {
        let Some(row) = survey.there.iter().copied().max_by_key(|part| part.count()) else { return Ok(()) };
        let (mut fits, mut above) = (survey.largest, row.count().min(place::most(self.table)).saturating_add(1));
        while above - fits > 1 {
            let count = if survey.too_much.is_none() { above - 1 } else { fits + (above - fits) / 2 };
            out.progress(&format!("the largest read: {count}"));
            match self.sure(client, Found { first: row.first, last: row.first + (count - 1) }).await {
                Ok(Reply::Data(_)) => fits = count,
                Ok(Reply::Exception(code)) if !is_refused_range(code) => break, // busy: it says nothing of the length
                Ok(_) => {
                    survey.too_much = Some(count);
                    above = count;
                }
                Err(error) => {
                    survey.largest = fits;
                    return Err(error);
                }
            }
            survey.largest = fits;
        }
        Ok(())
    }

    /// Silence, a lost connection and a device that is busy are believed when they are said twice.
    async fn sure(&mut self, client: &mut Client, part: Found) -> Result<Reply, String> {
        match self.ask(client, part).await? {
            sure @ Reply::Data(_) => Ok(sure),
            Reply::Exception(code) if is_refused_range(code) => Ok(Reply::Exception(code)),
            _ => self.ask(client, part).await,
        }
    }

    /// A connection that is lost is made anew: there are devices that close it where others refuse.
    async fn ask(&mut self, client: &mut Client, part: Found) -> Result<Reply, String> {
        let Some(left) = self.budget.checked_sub(1) else { return Err("all requests are used up".into()) };
        self.budget = left;
        let range = Range { table: self.table, start: part.first, count: part.count() };
        let told = |error: String| format!("at {}: {error}", part.shown(self.table));
        let error = match client.read(self.unit, range).await {
            Ok(reply) => {
                self.lost = 0;
                return Ok(reply);
            }
            Err(error) => error.to_string(),
        };
        self.lost += 1;
        if self.lost >= MAX_LOST {
            return Err(told(format!("{error}; given up after {MAX_LOST} lost connections in a row")));
        }
        *client = self.dial().await.map_err(told)?;
        Ok(Reply::Nonsense(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_touch_are_one_and_holes_at_the_ends_are_none_to_avoid() {
        let mut survey = Survey::default();
        for (first, last, there) in [
            (0, 3, false),
            (4, 7, true),
            (8, 9, true),
            (10, 10, false),
            (11, 11, false),
            (12, 20, true),
            (21, 30, false),
        ] {
            survey.note(Found { first, last }, there);
        }
        assert_eq!(survey.there, [Found { first: 4, last: 9 }, Found { first: 12, last: 20 }]);
        assert_eq!(survey.inner_holes().collect::<Vec<_>>(), [Found { first: 10, last: 11 }]);
        let shown = survey.holes_shown(ModbusTable::Holding);
        assert_eq!(shown[..2], ["holding 0 to 3 (40001-40004)", "holding 10 to 11 (40011-40012)"]);
    }
}
