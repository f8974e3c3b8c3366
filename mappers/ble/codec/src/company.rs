//! Companies by the identifiers that the SIG assigned: the first two bytes of manufacturer data (Core Specification Supplement, Part A 1.4).
use crate::assigned::{Error, tables::companies::COMPANIES};
use crate::near::{nearest, shortened};
use std::{fmt, str::FromStr};

/// A company identifier. Reads a number, `0x0499` or `1177`, or a name; shown as `0x0499`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Company(pub u16);

impl Company {
    /// The name assigned to it.
    pub fn name(self) -> Option<&'static str> {
        COMPANIES.get(self.0)
    }
}

impl FromStr for Company {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = digits.map_or_else(|| text.parse(), |digits| u16::from_str_radix(digits, 16));
        if let Ok(number) = number {
            return Ok(Self(number));
        }
        let mut found = COMPANIES.iter().filter(|(_, name)| name.eq_ignore_ascii_case(text));
        let names = || COMPANIES.iter().map(|(_, name)| name);
        match (found.next(), found.next()) {
            (Some((number, _)), None) => Ok(Self(number)),
            (Some((first, name)), Some((second, _))) => Err(Error::Ambiguous { name, first, second }),
            (None, _) => Err(Error::Company { text: shortened(text), nearest: nearest(text, names()) }),
        }
    }
}

impl fmt::Display for Company {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_company_is_found_by_number_and_by_name() {
        for text in ["0x0499", "1177", "Ruuvi Innovations Ltd.", "ruuvi innovations ltd."] {
            let company: Company = text.parse().unwrap();
            assert_eq!(
                (company.0, company.name(), company.to_string().as_str()),
                (0x0499, Some("Ruuvi Innovations Ltd."), "0x0499")
            );
        }
        assert_eq!(Company(0x004C).name(), Some("Apple, Inc."));
        assert_eq!(Company(0xFFFE).name(), None, "a number without a name is still one");
    }

    #[test]
    fn what_is_no_company_or_two_is_refused_in_words() {
        let error = |text: &str| text.parse::<Company>().unwrap_err().to_string();
        assert!(
            error("Ruvi Inovations Ltd.").contains("\"Ruuvi Innovations Ltd.\""),
            "{}",
            error("Ruvi Inovations Ltd.")
        );
        assert!(error("Canopy Growth Corporation").contains("0x0"), "{}", error("Canopy Growth Corporation"));
        for text in ["", "65536", "0x10000", "-1", "0x"] {
            assert!(text.parse::<Company>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_name_reads_as_a_number() {
        assert!(COMPANIES.iter().all(|(_, name)| name.parse::<u16>().is_err() && !name.starts_with("0x")));
    }
}
