//! Who a device says it is: function 43, kind 14 (Application Protocol V1.1b3, 6.21).
use super::{Length, request::MEI_IDENTIFICATION as KIND};

pub(super) const FUNCTION: u8 = 43;
/// Function, kind, code, conformity, more follows, next object, number of objects.
const HEAD: usize = 7;

/// One answer: objects, and the next that a further request brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub objects: Vec<(u8, String)>,
    pub next: Option<u8>,
}

pub(super) fn length(asked: u8, pdu: &[u8]) -> Length {
    match pdu {
        [_, kind, ..] if *kind != KIND => return Length::Never,
        [_, _, code, ..] if *code != asked => return Length::Never,
        _ => {}
    }
    let Some(count) = pdu.get(HEAD - 1) else { return Length::Open };
    let mut at = HEAD;
    for _ in 0..*count {
        let Some(length) = pdu.get(at + 1) else { return if at > 251 { Length::Never } else { Length::Open } };
        at += 2 + usize::from(*length);
    }
    if at > 253 { Length::Never } else { Length::Known(at) }
}

/// `data`: what follows the function code, of the length that it says.
pub fn page(data: &[u8]) -> Page {
    let (more, next) = (data.get(3).copied().unwrap_or(0), data.get(4).copied().unwrap_or(0));
    let mut rest = data.get(HEAD - 1..).unwrap_or_default();
    let mut objects = vec![];
    while let [id, length, after @ ..] = rest {
        let (text, others) = after.split_at(usize::from(*length).min(after.len()));
        objects.push((*id, clean(text)));
        rest = others;
    }
    Page { objects, next: (more == 0xFF).then_some(next) }
}

/// The names of the standard; what lies beyond is the vendor's own.
pub fn name(object: u8) -> Option<&'static str> {
    const NAMES: [&str; 7] = [
        "VendorName",
        "ProductCode",
        "MajorMinorRevision",
        "VendorUrl",
        "ProductName",
        "ModelName",
        "UserApplicationName",
    ];
    NAMES.get(usize::from(object)).copied()
}

/// ASCII, as the standard has it; what is not printable is not shown.
fn clean(text: &[u8]) -> String {
    let shown = text.iter().map(|byte| char::from(*byte)).filter(|c| c.is_ascii_graphic() || *c == ' ');
    shown.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the standard, V1.1b3 6.21.
    const BASIC: &[u8] =
        b"\x2B\x0E\x01\x01\x00\x00\x03\x00\x16Company identification\x01\x0DProduct code \x02\x05V2.11";

    #[test]
    fn the_example_of_the_standard_is_understood() {
        assert_eq!(length(1, BASIC), Length::Known(BASIC.len()));
        let objects =
            vec![(0, "Company identification".to_owned()), (1, "Product code".to_owned()), (2, "V2.11".to_owned())];
        assert_eq!(page(&BASIC[1..]), Page { objects, next: None });
        assert_eq!((name(0), name(6), name(7)), (Some("VendorName"), Some("UserApplicationName"), None));
    }

    #[test]
    fn its_length_is_known_once_the_last_object_has_begun() {
        let last = BASIC.len() - 5;
        for cut in 0..last {
            assert_eq!(length(1, &BASIC[..cut]), Length::Open, "{cut}");
        }
        assert_eq!(length(1, &BASIC[..last]), Length::Known(BASIC.len()));
        assert_eq!(length(2, BASIC), Length::Never, "of another code");
    }

    #[test]
    fn more_follows_names_the_next_object() {
        let page = page(&[14, 2, 0x82, 0xFF, 3, 1, 0, 2, b'A', 7]);
        assert_eq!(page, Page { objects: vec![(0, "A".into())], next: Some(3) });
    }

    proptest! {
        #[test]
        fn no_bytes_panic(data in prop::collection::vec(any::<u8>(), 0..300)) {
            page(&data);
            if let Length::Known(known) = length(1, &data) {
                prop_assert!(known <= 253);
            }
        }
    }
}
