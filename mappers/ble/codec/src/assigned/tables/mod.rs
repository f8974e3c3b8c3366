//! Generated tables, sorted by number, and what their rows are.
pub(crate) mod characteristics;
pub(crate) mod companies;
pub(crate) mod descriptors;
pub(crate) mod members;
pub(crate) mod services;

/// An assigned number with its name, and its identifier after `org.bluetooth.`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) number: u16,
    pub(crate) name: &'static str,
    pub(crate) identifier: &'static str,
}

const fn row(number: u16, name: &'static str, identifier: &'static str) -> Row {
    Row { number, name, identifier }
}

/// Names by number, ascending. Not a pointer for each: the start of a process puts each pointer of a table right, which made 110 KB
/// resident in every mapper, also where nobody looks at them.
#[derive(Debug)]
pub(crate) struct Names {
    numbers: &'static [u16],
    /// Where in the text each name ends; it begins where the one before it does.
    ends: &'static [u32],
    text: &'static str,
}

impl Names {
    pub(crate) fn get(&self, number: u16) -> Option<&'static str> {
        self.name(self.numbers.binary_search(&number).ok()?)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &'static str)> + Clone {
        self.numbers.iter().enumerate().filter_map(|(at, number)| Some((*number, self.name(at)?)))
    }
    fn name(&self, at: usize) -> Option<&'static str> {
        let end = |at: usize| self.ends.get(at).map(|end| *end as usize);
        let begin = at.checked_sub(1).map_or(Some(0), end)?;
        self.text.get(begin..end(at)?)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "of the constants below, whose text is far shorter")]
const fn ends<const N: usize>(lengths: &[usize]) -> [u32; N] {
    let (mut ends, mut end, mut at) = ([0; N], 0, 0);
    while at < N {
        end += lengths[at];
        ends[at] = end as u32;
        at += 1;
    }
    ends
}

macro_rules! names {
    ($table:ident: $(($number:literal, $name:literal),)*) => {
        pub(crate) static $table: $crate::assigned::tables::Names = {
            const LENGTHS: &[usize] = &[$($name.len()),*];
            static ENDS: [u32; LENGTHS.len()] = $crate::assigned::tables::ends(LENGTHS);
            $crate::assigned::tables::Names { numbers: &[$($number),*], ends: &ENDS, text: concat!($($name),*) }
        };
    };
}
pub(crate) use names;
