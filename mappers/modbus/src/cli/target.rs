//! URLs of Modbus devices: `tcp://HOST[:502][/UNIT]`, `rtu+tcp://HOST:PORT[/UNIT]`, `rtu:/dev/ttyUSB0,9600,8N1[/UNIT]` or
//! `rtu:///dev/ttyUSB0?baud=9600&parity=none[/UNIT]`.
use pollux_crds::{ModbusDevice, ModbusParity, ModbusRtu, ModbusRtuOverTcp, ModbusTcp};

const FORMS: &str = "tcp://HOST[:502]/UNIT, rtu+tcp://HOST:PORT/UNIT, rtu:/dev/ttyUSB0,9600,8N1/UNIT";

/// A way to a device or bus, and the unit that was named.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    /// Transport alone; `unitId` is 1 or what was named.
    pub(super) device: ModbusDevice,
    pub(super) unit: Option<u8>,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let target = match url.split_once(':') {
            Some(("tcp", rest)) => tcp(rest),
            Some(("rtu+tcp", rest)) => rtu_over_tcp(rest),
            Some(("rtu", rest)) => rtu(rest),
            Some(("tls", _)) => {
                Err("TLS needs certificates, which a Secret has: write a YAML file, and read that".into())
            }
            _ => Err(format!("must be one of {FORMS}")),
        };
        let (mut device, unit) = target.map_err(|error| format!("{url}: {error}"))?;
        device.unit_id = unit.unwrap_or(1).into();
        let serial = device.tcp.is_none();
        match unit {
            Some(0 | 248..) if serial => Err(format!("{url}: the unit must be 1 to 247 on a serial line")),
            unit => Ok(Self { device, unit }),
        }
    }
    /// Whether requests go one after the other over a line that others share.
    pub(super) fn is_serial(&self) -> bool {
        self.device.tcp.is_none()
    }
}

type Parsed = Result<(ModbusDevice, Option<u8>), String>;

fn tcp(rest: &str) -> Parsed {
    let (host, port, unit) = socket(rest)?;
    let tcp = ModbusTcp { host, port: port.unwrap_or(502) };
    Ok((ModbusDevice { tcp: Some(tcp), ..ModbusDevice::default() }, unit))
}

fn rtu_over_tcp(rest: &str) -> Parsed {
    let (host, port, unit) = socket(rest)?;
    let port = port.ok_or("give the port of the serial device server, such as rtu+tcp://10.0.0.5:4001/1")?;
    Ok((ModbusDevice { rtu_over_tcp: Some(ModbusRtuOverTcp { host, port }), ..ModbusDevice::default() }, unit))
}

/// `//HOST:PORT/UNIT`, an IPv6 address in brackets.
fn socket(rest: &str) -> Result<(String, Option<i32>, Option<u8>), String> {
    let rest = rest.strip_prefix("//").ok_or("two slashes come after the colon")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let unit = if path.is_empty() { None } else { Some(unit(path)?) };
    let (host, port) = match authority.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or("after ] comes : and the port")?)),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || !host.chars().all(letter) {
        return Err("the host must be a name or an IP address, such as plc-1, 10.0.0.5 or [2001:db8::5]".into());
    }
    let port = port.map(|port| number(port, 1, 65_535).ok_or_else(|| format!("port is {port:?}, must be 1 to 65535")));
    Ok((host.to_owned(), port.transpose()?, unit))
}

fn rtu(rest: &str) -> Parsed {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, settings, unit_id) = if let Some((path, query)) = rest.split_once('?') {
        let (query, unit) = with_unit(query)?;
        (path, query, unit)
    } else if let Some((path, settings)) = rest.split_once(',') {
        let (settings, unit) = with_unit(settings)?;
        (path, settings, unit)
    } else {
        // /dev/pts/3 is a port, and no unit 3 of /dev/pts.
        let (path, unit) = with_unit(rest).ok().filter(|(path, _)| *path != "/dev/pts").unwrap_or((rest, None));
        (path, "", unit)
    };
    let known = |c: char| c.is_ascii_alphanumeric() || "._/:@+-".contains(c);
    if !path.starts_with("/dev/") || !path.chars().all(known) {
        return Err(format!("the port is {path:?}, must be a path such as /dev/ttyUSB0 or /dev/serial/by-id/…"));
    }
    let mut port = ModbusRtu { path: path.into(), baud_rate: None, parity: None, stop_bits: None, rs485: None };
    let mut unit = unit_id;
    for word in settings.split([',', '&']).filter(|word| !word.is_empty()) {
        setting(word, &mut port, &mut unit)?;
    }
    Ok((ModbusDevice { rtu: Some(port), ..ModbusDevice::default() }, unit))
}

/// What stands after the last slash, where it is a number.
fn with_unit(text: &str) -> Result<(&str, Option<u8>), String> {
    match text.rsplit_once('/') {
        Some((before, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok((before, Some(unit(digits)?)))
        }
        _ => Ok((text, None)),
    }
}

/// `9600`, `8N1`, or `baud=9600`, `parity=none`, `stop=1`, `unit=1`.
fn setting(word: &str, port: &mut ModbusRtu, unit_id: &mut Option<u8>) -> Result<(), String> {
    let wrong = || {
        format!(
            "{word:?} must be a baud rate such as 9600, or 8N1, 8E1, 8O1, 8N2; or baud=, parity=none|even|odd, stop=1|2, unit="
        )
    };
    let baud = |text: &str| number(text, 300, 4_000_000).map(Some).ok_or_else(wrong);
    let stop = |text: &str| number(text, 1, 2).map(Some).ok_or_else(wrong);
    match word.split_once('=') {
        Some(("baud" | "baudRate", value)) => port.baud_rate = baud(value)?,
        Some(("parity", value)) => port.parity = Some(parity(value).ok_or_else(wrong)?),
        Some(("stop" | "stopBits", value)) => port.stop_bits = stop(value)?,
        Some(("unit" | "unitId", value)) => *unit_id = Some(unit(value)?),
        Some(_) => return Err(wrong()),
        None if word.len() == 3 && word.starts_with('8') && word.is_ascii() => {
            let (letter, bits) = word.get(1..).unwrap_or_default().split_at(1);
            port.parity = Some(parity(letter).ok_or_else(wrong)?);
            port.stop_bits = stop(bits)?;
        }
        None => port.baud_rate = baud(word)?,
    }
    Ok(())
}

fn parity(word: &str) -> Option<ModbusParity> {
    match word.to_ascii_lowercase().as_str() {
        "n" | "none" => Some(ModbusParity::None),
        "e" | "even" => Some(ModbusParity::Even),
        "o" | "odd" => Some(ModbusParity::Odd),
        _ => None,
    }
}

fn number(text: &str, least: i32, most: i32) -> Option<i32> {
    text.parse().ok().filter(|number| (least..=most).contains(number) && !text.starts_with('+'))
}
fn unit(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| format!("the unit is {text:?}, must be 0 to 255 (1 to 247 on a serial line)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn parsed(url: &str) -> Result<Json, String> {
        Target::parse(url).map(|target| {
            let mut json = serde_json::to_value(&target.device).unwrap();
            let named = json.as_object_mut().unwrap().remove("unitId");
            assert_eq!(named, Some(json!(target.unit.unwrap_or(1))), "{url}");
            json["unit"] = json!(target.unit);
            json
        })
    }

    #[test]
    fn urls_say_transport_settings_and_unit() {
        let tcp = |host: &str, port: i32, unit: Option<u8>| json!({"tcp": {"host": host, "port": port}, "unit": unit});
        for (url, expected) in [
            ("tcp://10.0.0.5", tcp("10.0.0.5", 502, None)),
            ("tcp://10.0.0.5:5020/17", tcp("10.0.0.5", 5020, Some(17))),
            ("tcp://plc-1/255", tcp("plc-1", 502, Some(255))),
            ("tcp://[2001:db8::5]:503/1", tcp("2001:db8::5", 503, Some(1))),
            ("tcp://[::1]/1", tcp("::1", 502, Some(1))),
            ("rtu+tcp://a:4001/3", json!({"rtuOverTcp": {"host": "a", "port": 4001}, "unit": 3})),
            ("rtu:/dev/ttyUSB0", json!({"rtu": {"path": "/dev/ttyUSB0"}, "unit": null})),
            ("rtu:/dev/ttyUSB0/9", json!({"rtu": {"path": "/dev/ttyUSB0"}, "unit": 9})),
            ("rtu:/dev/pts/3", json!({"rtu": {"path": "/dev/pts/3"}, "unit": null})),
            ("rtu:/dev/pts/3/9", json!({"rtu": {"path": "/dev/pts/3"}, "unit": 9})),
            (
                "rtu:/dev/ttyUSB0,9600,8N1/1",
                json!({"rtu": {"path": "/dev/ttyUSB0", "baudRate": 9600, "parity": "None", "stopBits": 1}, "unit": 1}),
            ),
            (
                "rtu:/dev/serial/by-id/usb-a-if00,19200/2",
                json!({"rtu": {"path": "/dev/serial/by-id/usb-a-if00", "baudRate": 19200}, "unit": 2}),
            ),
            (
                "rtu:///dev/ttyUSB0?baud=9600&parity=odd&stop=2/1",
                json!({"rtu": {"path": "/dev/ttyUSB0", "baudRate": 9600, "parity": "Odd", "stopBits": 2}, "unit": 1}),
            ),
            ("rtu:///dev/ttyS0?unit=4", json!({"rtu": {"path": "/dev/ttyS0"}, "unit": 4})),
        ] {
            assert_eq!(parsed(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_told_what_is() {
        for (url, words) in [
            ("10.0.0.5", "must be one of tcp://"),
            ("http://a", "must be one of tcp://"),
            ("tcp:a", "two slashes"),
            ("tcp://", "the host must be"),
            ("tcp://a b", "the host must be"),
            ("tcp://a:0", "port is \"0\""),
            ("tcp://a:70000", "port is \"70000\""),
            ("tcp://a/256", "the unit is \"256\""),
            ("tcp://a/x", "the unit is \"x\""),
            ("tcp://[::1", "the host must be"),
            ("rtu+tcp://a/1", "give the port"),
            ("rtu+tcp://a:4001/0", "1 to 247 on a serial line"),
            ("rtu:/dev/ttyUSB0/248", "1 to 247 on a serial line"),
            ("rtu:ttyUSB0", "must be a path"),
            ("rtu:/dev/tty USB", "must be a path"),
            ("rtu:/dev/ttyUSB0,96", "must be a baud rate"),
            ("rtu:/dev/ttyUSB0,7E1", "must be a baud rate"),
            ("rtu:/dev/ttyUSB0,8X1", "must be a baud rate"),
            ("rtu:/dev/ttyUSB0?speed=9600", "must be a baud rate"),
            ("tls://a/1", "certificates"),
        ] {
            let error = parsed(url).unwrap_err();
            assert!(error.starts_with(url) && error.contains(words), "{error}");
        }
    }
}
