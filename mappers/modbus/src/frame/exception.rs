//! Exceptions in words (Modbus Application Protocol V1.1b3, section 7).
use std::borrow::Cow;
use tokio_modbus::ExceptionCode;

/// "Modbus exception 2: illegal data address".
pub fn describe(code: ExceptionCode) -> Cow<'static, str> {
    let words = match u8::from(code) {
        1 => "Modbus exception 1: illegal function",
        2 => "Modbus exception 2: illegal data address",
        3 => "Modbus exception 3: illegal data value",
        4 => "Modbus exception 4: server device failure",
        5 => "Modbus exception 5: acknowledged, still in progress",
        6 => "Modbus exception 6: server device busy",
        7 => "Modbus exception 7: negative acknowledgement",
        8 => "Modbus exception 8: memory parity error",
        10 => "Modbus exception 10: gateway path unavailable",
        11 => "Modbus exception 11: gateway target device failed to respond",
        other => return format!("Modbus exception {other}: not in the standard").into(),
    };
    words.into()
}

/// The gateway speaks for a device that it could not reach: the device is silent, nobody refused anything.
pub fn is_gateway(code: ExceptionCode) -> bool {
    matches!(u8::from(code), 10 | 11)
}

/// What devices answer to a range of which they do not have, or will not give, every part.
pub fn is_refused_range(code: ExceptionCode) -> bool {
    matches!(u8::from(code), 2..=4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exception_is_told_in_the_words_of_the_standard() {
        let table = [
            (1, "Modbus exception 1: illegal function"),
            (2, "Modbus exception 2: illegal data address"),
            (3, "Modbus exception 3: illegal data value"),
            (4, "Modbus exception 4: server device failure"),
            (5, "Modbus exception 5: acknowledged, still in progress"),
            (6, "Modbus exception 6: server device busy"),
            (7, "Modbus exception 7: negative acknowledgement"),
            (8, "Modbus exception 8: memory parity error"),
            (10, "Modbus exception 10: gateway path unavailable"),
            (11, "Modbus exception 11: gateway target device failed to respond"),
            (200, "Modbus exception 200: not in the standard"),
        ];
        for (code, expected) in table {
            assert_eq!(describe(ExceptionCode::new(code)), expected);
        }
    }
}
