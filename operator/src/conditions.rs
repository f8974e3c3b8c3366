//! Conditions: how one set becomes the next. Pure.
use pollux_crds::{Condition, condition};

/// What is now the case, without a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Type of the condition.
    pub type_: &'static str,
    /// Whether it holds.
    pub status: Truth,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// Generation that this speaks of.
    pub generation: i64,
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}
impl Truth {
    /// What stands in status.
    pub fn of(status: &str) -> Self {
        match status {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Unknown,
        }
    }
    /// As it stands in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Fact {
    /// A fact; long messages are cut.
    pub fn new(type_: &'static str, status: Truth, reason: &str, message: impl AsRef<str>, generation: i64) -> Self {
        Self { type_, status, reason: reason.into(), message: cut(message.as_ref(), 2_000), generation }
    }
}

/// The facts as conditions: the time of one is kept while its status is.
pub fn stamp(old: &[Condition], facts: &[Fact], now: &str) -> Vec<Condition> {
    let stamped = |fact: &Fact| {
        let same = condition(old, fact.type_).filter(|c| c.status == fact.status.as_str());
        Condition {
            type_: fact.type_.into(),
            status: fact.status.as_str().into(),
            reason: fact.reason.clone(),
            message: fact.message.clone(),
            observed_generation: fact.generation,
            last_transition_time: same.map_or_else(|| now.into(), |c| c.last_transition_time.clone()),
        }
    };
    facts.iter().map(stamped).collect()
}

/// Facts whose status or reason differs from what stood there: worth an Event.
pub fn transitions<'a>(old: &[Condition], facts: &'a [Fact]) -> Vec<&'a Fact> {
    let same = |c: &Condition, f: &Fact| c.status == f.status.as_str() && c.reason == f.reason;
    facts.iter().filter(|f| !condition(old, f.type_).is_some_and(|c| same(c, f))).collect()
}

/// Whether conditions of those types differ from the new ones.
pub fn differ(old: &[Condition], new: &[Condition]) -> bool {
    new.iter().any(|n| condition(old, &n.type_) != Some(n))
}

/// At most `most` bytes, cut between characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.into();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(status: Truth, reason: &str) -> Fact {
        Fact::new("Ready", status, reason, "m", 1)
    }

    #[test]
    fn the_time_moves_with_the_status_only() {
        let first = stamp(&[], &[fact(Truth::False, "A")], "t1");
        let reason = stamp(&first, &[fact(Truth::False, "B")], "t2");
        assert_eq!(reason[0].last_transition_time, "t1");
        let status = stamp(&reason, &[fact(Truth::True, "B")], "t3");
        assert_eq!(status[0].last_transition_time, "t3");
        assert!(differ(&first, &reason) && !differ(&first, &stamp(&first, &[fact(Truth::False, "A")], "t9")));
    }

    #[test]
    fn only_a_change_of_status_or_reason_is_a_transition() {
        let old = stamp(&[], &[fact(Truth::False, "A")], "t");
        assert!(transitions(&old, &[Fact { message: "other".into(), ..fact(Truth::False, "A") }]).is_empty());
        assert_eq!(transitions(&old, &[fact(Truth::False, "B")]).len(), 1);
        assert_eq!(transitions(&[], &[fact(Truth::False, "A")]).len(), 1);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äää", 6), "äää");
        assert_eq!(cut("ääää", 6), "ä…");
        assert_eq!(cut("", 0), "");
    }
}
