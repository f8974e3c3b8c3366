//! What the readers are told: devices that come and go, and the newest state of points.
use super::{Engine, held::Health};
use crate::{Connected, Instant, News, PointFault, Protocol, outbox::LinkState};
use std::time::Duration;

const MOST: usize = 1024; // changes handed over at once
/// Points that changed, and are no events, are handed over at once, but by themselves not more often than this: a device whose answers
/// come one upon the other wakes the reader twice, and not for each of them.
pub(crate) const LINGER: Duration = Duration::from_millis(5);
/// Other words for a failure of the same kind are told this seldom: what a device says may differ each time. Other numbers
/// are no other words (a time that was measured, a count), or a device that stays away would cost a write of status each time.
const REWORDED: Duration = Duration::from_secs(30);

impl<P: Protocol> Engine<P> {
    /// None: it is up.
    pub(super) fn health(&mut self, device: usize, fault: Option<&PointFault>) {
        let Some(held) = self.held_mut(device) else { return };
        let (up, kind, words) = (fault.is_none(), fault.map(|f| f.kind), fault.map_or("", |f| &*f.text));
        let (health, now) = (&mut held.health, Instant::now());
        let recent = health.since.is_some_and(|since| now < since + REWORDED);
        if health.up == Some(up) && health.kind == kind && (recent || gist(&health.reason).eq(gist(words))) {
            return;
        }
        *health = Health { up: Some(up), kind, reason: words.to_owned(), since: Some(now), untold: true };
        self.untold.insert(device);
    }
    /// Connected follows probing. What the protocol itself said stands until it says otherwise.
    pub(super) fn judge(&mut self, device: usize, heard: bool, fault: &PointFault) {
        let known = self.held(device).is_some_and(|held| held.health.up == Some(false));
        if self.arbiter.said_down(device) && known {
            return;
        }
        if self.arbiter.probing(device) || self.arbiter.said_down(device) {
            self.health(device, Some(fault));
        } else if heard {
            self.health(device, None);
        }
    }
    pub(super) fn linked(&mut self, state: LinkState) {
        if self.link.as_ref() != Some(&state) {
            (self.link, self.link_untold) = (Some(state), true);
        }
    }
    pub(super) fn flush(&mut self) {
        self.telemetry.push(&mut self.changes);
        self.tell();
    }
    /// What an exchange said, or a push: its points may have to [wait](Self::tell_soon).
    pub(super) fn pass_on(&mut self) {
        self.telemetry.push(&mut self.changes);
        self.tell_soon();
    }
    /// As [`tell`](Self::tell), but points that follow others closely wait for more of them. Some: until when.
    pub(super) fn tell_soon(&mut self) -> Option<Instant> {
        let waits = self.columns.only_dirty() && self.columns.dirty() < MOST && !self.is_news_of_devices();
        let later = self.told_until.filter(|until| waits && Instant::now() < *until);
        if later.is_none() {
            self.tell();
        }
        later
    }
    /// Hands the newest state over when the reader has taken the last; else it goes on collecting, one mark per point.
    pub(super) fn tell(&mut self) {
        let missed = self.columns.take_missed();
        if missed > 0 {
            self.stats.lost_pushes.add(missed);
        }
        let points = self.columns.has_news();
        if !(points || self.is_news_of_devices()) || !self.status.has_room() {
            return;
        }
        if points {
            self.told_until = Some(Instant::now() + LINGER);
        }
        let mut news = News::default();
        if std::mem::take(&mut self.link_untold) {
            news.link.clone_from(&self.link);
        }
        news.load = self.meter.untold.take();
        for device in std::mem::take(&mut self.untold) {
            let Some(held) = self.held_mut(device) else { continue };
            if std::mem::take(&mut held.health.untold) {
                let (up, kind) = (held.health.up == Some(true), held.health.kind);
                let reason = held.health.reason.clone();
                news.connected.push(Connected { device: held.key, up, kind, reason });
            }
            news.confirmed.extend(std::mem::take(&mut held.confirmed).into_values());
            news.known.extend(self.untold_of(device));
        }
        if self.columns.dirty() > 0 {
            self.columns.take_dirty(MOST, &mut news.numbers, &mut news.changes);
        }
        if self.columns.has_happened() {
            news.happened = self.columns.take_happened(MOST);
        }
        news.standing = self.columns.take_standing(MOST);
        self.status.fill(news, self.columns.has_news());
    }
    fn is_news_of_devices(&self) -> bool {
        self.link_untold || self.meter.untold.is_some() || !self.untold.is_empty()
    }
}

/// The words without their numbers.
fn gist(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !c.is_ascii_digit() && *c != '.')
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn other_numbers_are_no_other_words() {
        assert!(gist("no answer within 1.5 s").eq(gist("no answer within 20 s")));
        assert!(!gist("connection refused").eq(gist("no route to host")));
    }
}
