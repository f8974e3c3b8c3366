//! Who a device is (Device Information Service 1.2), beside the strings, which are in the generated table.
use super::layout::{Layout, hex, plain};
use crate::DataType::{Uint8, Uint16};

pub(super) const LAYOUTS: &[Layout] = &[
    Layout { uuid: 0x2A23, flags: 0, items: &[hex("eui64", 8)] },
    Layout {
        uuid: 0x2A50,
        flags: 0,
        items: &[
            plain("vendorIdSource", "", Uint8),
            plain("vendorId", "", Uint16),
            plain("productId", "", Uint16),
            plain("productVersion", "", Uint16),
        ],
    },
];
