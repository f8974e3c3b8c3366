//! What the readers are told: devices that come and go, and the newest state of points.
use super::Engine;
use crate::{Connected, News, PointFault, Protocol, outbox::LinkState};

const MOST: usize = 1024; // changes handed over at once

impl<P: Protocol> Engine<P> {
    /// None: it is up.
    pub(super) fn health(&mut self, device: usize, fault: Option<&PointFault>) {
        let Some(held) = self.held_mut(device) else { return };
        let (up, kind) = (fault.is_none(), fault.map(|f| f.kind));
        if held.health.up == Some(up) && held.health.kind == kind {
            return;
        }
        (held.health.up, held.health.kind, held.health.untold) = (Some(up), kind, true);
        held.health.reason = fault.map_or_else(String::new, |f| f.text.to_string());
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
    /// Hands the newest state over when the reader has taken the last; else it goes on collecting, one mark per point.
    pub(super) fn tell(&mut self) {
        if !self.status.has_room() {
            return;
        }
        let mut news = News::default();
        if std::mem::take(&mut self.link_untold) {
            news.link.clone_from(&self.link);
        }
        for device in std::mem::take(&mut self.untold) {
            let Some(held) = self.held_mut(device) else { continue };
            if std::mem::take(&mut held.health.untold) {
                let (up, kind) = (held.health.up == Some(true), held.health.kind);
                let reason = held.health.reason.clone();
                news.connected.push(Connected { device: held.key, up, kind, reason });
            }
            news.confirmed.extend(std::mem::take(&mut held.confirmed).into_values());
        }
        if self.columns.has_dirty() {
            self.columns.take_dirty(MOST, &mut news.changes);
        }
        self.status.fill(news);
    }
}
