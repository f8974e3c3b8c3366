//! Who is in the air, as a table. Pure.
use super::{
    table::aligned,
    words::{cut, service, unit},
};
use crate::{
    address::Address,
    air::{Air, Heard, Place, Spoken, shown},
};
use clap::ValueEnum;
use pollux_ble_codec::{Company, Error, advert::Format};
use pollux_mapper::{Screen, printable};
use tokio::time::Instant;

const HEAD: [&str; 6] = ["ADDRESS", "RSSI", "HEARD", "NAME", "SERVICES", "SENDS"];
/// Characters of a name and of the services; of what is sent where no screen is its bound.
const WIDE: usize = 32;
const LONG: usize = 400;
/// What each advertisement counts or repeats, and says nothing of what is measured.
pub(super) const BOOKKEEPING: [&str; 4] = ["packetId", "sequence", "address", "unknown"];

/// By what the table is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Sort {
    /// Who is heard the strongest comes first.
    #[default]
    Rssi,
    /// Who was heard last comes first.
    Heard,
}

/// What of it is shown.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    pub(super) sort: Sort,
    /// One of these is somewhere in its line; in small letters.
    pub(super) filter: Vec<String>,
}

impl View {
    /// Whether it was asked for by name or the like.
    pub(super) fn wants(&self, address: Address, heard: &Heard) -> bool {
        if self.filter.is_empty() {
            return false;
        }
        let all = [address.to_string(), heard.name.clone().unwrap_or_default(), services(heard), sends(heard)];
        let text = all.join("\n").to_lowercase();
        self.filter.iter().any(|filter| text.contains(filter))
    }
    fn sorted<'a>(&self, air: &'a Air) -> Vec<(Address, &'a Heard)> {
        let mut all: Vec<_> =
            air.all().filter(|(address, heard)| self.filter.is_empty() || self.wants(*address, heard)).collect();
        match self.sort {
            Sort::Rssi => all.sort_by_key(|(address, heard)| (std::cmp::Reverse(heard.rssi), *address)),
            Sort::Heard => all.sort_by_key(|(address, heard)| (std::cmp::Reverse(heard.at), *address)),
        }
        all
    }
    /// All of it, for a file.
    pub(super) fn whole(&self, air: &Air, now: Instant) -> String {
        aligned(&rows(&self.sorted(air), now, LONG), &[1, 2])
    }
    /// As much as the screen shows, and a line about the rest.
    pub(super) fn picture(&self, air: &Air, now: Instant, screen: Screen) -> Vec<String> {
        let all = self.sorted(air);
        // The head, the line below, and the one where the cursor stands.
        let shown = all.get(..screen.rows.saturating_sub(3)).unwrap_or(&all);
        let table = aligned(&rows(shown, now, screen.columns), &[1, 2]);
        let below = all.len() - shown.len();
        let mut lines: Vec<String> = table.lines().map(|line| cut(line, screen.columns)).collect();
        let below = if below > 0 { format!(", {below} of them below the edge") } else { String::new() };
        let last = format!("{} heard{below}{}; Ctrl-C ends", all.len(), left_out(air));
        lines.push(cut(&last, screen.columns));
        lines.truncate(screen.rows.saturating_sub(1));
        lines
    }
}

/// What there was no room for.
pub(super) fn left_out(air: &Air) -> String {
    match air.left_out() {
        0 => String::new(),
        count => format!(", left out for want of room: {count}"),
    }
}

fn rows(all: &[(Address, &Heard)], now: Instant, most: usize) -> Vec<Vec<String>> {
    let head = std::iter::once(HEAD.map(str::to_owned).to_vec());
    head.chain(all.iter().map(|(address, heard)| row(*address, heard, now, most))).collect()
}

fn row(address: Address, heard: &Heard, now: Instant, most: usize) -> Vec<String> {
    let ago = heard.at.map_or(String::new(), |at| format!("{}s", now.saturating_duration_since(at).as_secs()));
    let cells = [
        address.to_string(),
        heard.rssi.map_or(String::new(), |rssi| rssi.to_string()),
        ago,
        cut(heard.name.as_deref().unwrap_or_default(), WIDE),
        cut(&services(heard), WIDE),
        cut(&sends(heard), most),
    ];
    cells.map(|cell| printable(&cell)).to_vec()
}

fn services(heard: &Heard) -> String {
    let names: Vec<String> = heard.services.iter().map(|uuid| service(*uuid)).collect();
    names.join(", ")
}

/// What is decoded, with its values; of the rest, whose it is.
fn sends(heard: &Heard) -> String {
    let known = heard.formats.values().map(|(format, spoken)| told(*format, spoken));
    let of_format = |place: &Place| heard.formats.values().any(|(format, _)| format.source() == place.source());
    let other = heard.data.keys().filter(|place| !of_format(place)).map(|place| match place {
        Place::Company(company) => {
            let company = Company(*company);
            company.name().map_or_else(|| format!("manufacturer {company}"), str::to_owned)
        }
        Place::Service(uuid) => service(*uuid),
    });
    known.chain(other).collect::<Vec<String>>().join("; ")
}

fn told(format: Format, spoken: &Spoken) -> String {
    let flaw = match &spoken.flaw {
        None => String::new(),
        Some(Error::Encrypted) => " (encrypted)".to_owned(),
        Some(error) => format!(" ({error})"),
    };
    let measured = spoken.fields.iter().filter(|told| !BOOKKEEPING.contains(&told.field.name));
    let words = measured.map(|told| {
        let number = if told.index > 1 { format!("[{}]", told.index) } else { String::new() };
        format!(" {}{number}={}{}", told.field.name, shown(&told.value), spaced(unit(told.field.unit)))
    });
    format!("{format}{flaw}{}", words.collect::<String>())
}
fn spaced(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
}

#[cfg(test)]
mod tests;
