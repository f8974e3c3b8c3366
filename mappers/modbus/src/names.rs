//! The names of a unit's points. They are for people, and seldom looked at: one text for all takes a fifth of a `String` each.

/// Names, by position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Names {
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
}

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let (mut text, mut ends) = (String::new(), vec![]);
        for name in names {
            text.push_str(name);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX)); // more than that has no end, and is not found
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

impl Names {
    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |start| *start as usize);
        self.text.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_name_is_found_at_its_place(names in proptest::collection::vec(".{0,8}", 0..20)) {
            let kept: Names = names.iter().map(String::as_str).collect();
            for (at, name) in names.iter().enumerate() {
                prop_assert_eq!(kept.get(at), Some(name.as_str()));
            }
            prop_assert_eq!(kept.get(names.len()), None);
        }
    }
}
