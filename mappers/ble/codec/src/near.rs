//! The name that somebody meant.
/// Longer texts are no typo of a name, and comparing them would cost.
const LONGEST: usize = 100;

/// The name nearest to the text, where one is near: a third of its letters may differ; else the shortest that contains
/// it, else the longest that it contains.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let letters: Vec<char> = text.to_lowercase().chars().take(LONGEST + 1).collect();
    if letters.len() > LONGEST {
        return None;
    }
    let most = (letters.len() / 3).max(1);
    let distances = names.clone().map(|name| (distance(&letters, &lower(name)), name));
    let near = distances.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance);
    near.map(|(_, name)| name).or_else(|| longer(&letters, names.clone())).or_else(|| shorter(&letters, names))
}

fn longer<'a>(letters: &[char], names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text: String = letters.iter().collect();
    (letters.len() > 3)
        .then(|| names.filter(|name| name.to_lowercase().contains(&text)).min_by_key(|name| name.len()))?
}

fn shorter<'a>(letters: &[char], names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text: String = letters.iter().collect();
    names.filter(|name| name.len() > 3 && text.contains(&name.to_lowercase())).max_by_key(|name| name.len())
}

fn lower(name: &str) -> Vec<char> {
    name.to_lowercase().chars().collect()
}

/// Levenshtein's: letters put in, left out or changed.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, y) in cells.zip(b) {
            left = if x == y { diagonal } else { 1 + diagonal.min(*cell).min(left) };
            diagonal = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// As much of a text as an error message should repeat.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The end of a message: ``; `x` is near``.
pub(crate) fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; the nearest name is {name:?}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (a, b, wanted) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("ab", "ba", 2)]
        {
            assert_eq!(distance(&chars(a), &chars(b)), wanted, "{a} {b}");
        }
    }

    #[test]
    fn a_typo_finds_its_name_and_nonsense_none() {
        let names = ["Battery", "Temperature", "Temperature 8", "Humidity", "Heart Rate Measurement"];
        let near = |text| nearest(text, names.into_iter());
        assert_eq!(near("tempratur"), Some("Temperature"));
        assert_eq!(near("Battery Service"), Some("Battery"));
        assert_eq!(near("Heart Rate"), Some("Heart Rate Measurement"));
        assert_eq!((near("Xyzzyxyzzy"), near(""), near(&"a".repeat(100_000))), (None, None, None));
    }
}
