//! Names of nodes as people write them: node ids (Part 6, 5.1.12) and browse paths (after Part 4, A.2), namespaces by URI or by index.
//! Pure. `check`, the operator and the driver read them by the same function.
use crate::desired::is_base64;
use std::{fmt, str::FromStr};

/// Longest text of either, in bytes.
const LONGEST: usize = 4096;
/// Most steps of a path.
const MOST_STEPS: usize = 64;

/// Whose name it is. URIs are looked up at each connect, for a server may number them anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpcUaNamespace {
    /// Its index at the server; 0 is the standard's.
    Index(u16),
    /// Its URI.
    Uri(String),
}

/// What a node is called in its namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpcUaIdentifier {
    /// i=
    Numeric(u32),
    /// s=
    Text(String),
    /// g=, 36 characters in small letters.
    Guid(String),
    /// b=, in base64.
    Opaque(String),
}

/// A node id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpcUaNodeId {
    /// Whose it is.
    pub namespace: OpcUaNamespace,
    /// What it is called there.
    pub identifier: OpcUaIdentifier,
}

/// One step of a path: a browse name below the one before.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpcUaStep {
    /// Whose name it is.
    pub namespace: OpcUaNamespace,
    /// The name.
    pub name: String,
}

/// A browse path: at least one step, each over a hierarchical reference of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpcUaPath(pub Vec<OpcUaStep>);

/// A node, by id or by path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpcUaNode {
    /// Its id.
    Id(OpcUaNodeId),
    /// Its path from the root.
    Path(OpcUaPath),
}

/// Why a text names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpcUaNodeError {
    /// A text of that length is no name.
    #[error("longer than {LONGEST} bytes")]
    TooLong,
    /// Not of the form of a namespace.
    #[error("namespace must be nsu=URI; with a URI, or ns=INDEX; with 0 to 65535")]
    Namespace,
    /// Not of the form of an identifier.
    #[error(
        "must end with i=NUMBER (0 to 4294967295), s=TEXT, g=GUID (36 characters) or b=BASE64, such as ns=2;s=Boiler.Temp"
    )]
    Identifier,
    /// Not of the form of a path.
    #[error("must be /NAME/NAME, each name with its namespace before it unless that is 0, such as /2:Boiler/2:Temp")]
    Path,
    /// A path of too many steps.
    #[error("more than {MOST_STEPS} steps")]
    TooDeep,
}

impl FromStr for OpcUaNodeId {
    type Err = OpcUaNodeError;
    fn from_str(text: &str) -> Result<Self, OpcUaNodeError> {
        if text.len() > LONGEST {
            return Err(OpcUaNodeError::TooLong);
        }
        let (namespace, rest) = if let Some(rest) = text.strip_prefix("ns=") {
            let (index, rest) = rest.split_once(';').ok_or(OpcUaNodeError::Namespace)?;
            (OpcUaNamespace::Index(number(index).ok_or(OpcUaNodeError::Namespace)?), rest)
        } else {
            by_uri(text)?.unwrap_or((OpcUaNamespace::Index(0), text))
        };
        let identifier = identifier(rest).ok_or(OpcUaNodeError::Identifier)?;
        Ok(Self { namespace, identifier })
    }
}

fn identifier(text: &str) -> Option<OpcUaIdentifier> {
    let (kind, value) = text.split_once('=').filter(|(_, value)| !value.is_empty())?;
    match kind {
        "i" => number(value).map(OpcUaIdentifier::Numeric),
        "s" => Some(OpcUaIdentifier::Text(value.to_owned())),
        "g" => is_guid(value).then(|| OpcUaIdentifier::Guid(value.to_ascii_lowercase())),
        "b" => is_base64(value).then(|| OpcUaIdentifier::Opaque(value.to_owned())),
        _ => None,
    }
}

fn is_guid(text: &str) -> bool {
    let dash = |at| matches!(at, 8 | 13 | 18 | 23);
    let fits = |(at, byte): (usize, u8)| if dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

/// Digits only: no sign, no space.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A namespace by URI in front, and what follows it; None: there is none.
fn by_uri(text: &str) -> Result<Option<(OpcUaNamespace, &str)>, OpcUaNodeError> {
    let Some(rest) = text.strip_prefix("nsu=") else { return Ok(None) };
    let (uri, rest) = rest.split_once(';').filter(|(uri, _)| !uri.is_empty()).ok_or(OpcUaNodeError::Namespace)?;
    Ok(Some((OpcUaNamespace::Uri(unescaped(uri)), rest)))
}

/// `%3B` is `;`, `%25` is `%`; any other `%` is one.
fn unescaped(uri: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(uri.len()), uri);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let semicolon = after.strip_prefix("3B").or_else(|| after.strip_prefix("3b")).map(|tail| (';', tail));
        let percent = || after.strip_prefix("25").map_or(('%', after), |tail| ('%', tail));
        let (sign, tail) = semicolon.unwrap_or_else(percent);
        out.push(sign);
        rest = tail;
    }
    out.push_str(rest);
    out
}

impl FromStr for OpcUaPath {
    type Err = OpcUaNodeError;
    fn from_str(text: &str) -> Result<Self, OpcUaNodeError> {
        if text.len() > LONGEST {
            return Err(OpcUaNodeError::TooLong);
        }
        let (mut steps, mut rest) = (vec![], text);
        while !rest.is_empty() || steps.is_empty() {
            if steps.len() == MOST_STEPS {
                return Err(OpcUaNodeError::TooDeep);
            }
            let after = rest.strip_prefix('/').ok_or(OpcUaNodeError::Path)?;
            let (step, tail) = step(after)?;
            steps.push(step);
            rest = tail;
        }
        Ok(Self(steps))
    }
}

/// One step, and what follows it from its `/` on.
fn step(text: &str) -> Result<(OpcUaStep, &str), OpcUaNodeError> {
    let indexed = || {
        let (index, rest) = text.split_once(':')?;
        let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| Some((OpcUaNamespace::Index(number(index)?), rest)))
    };
    let (namespace, rest) = match by_uri(text)? {
        Some(found) => found,
        None => match indexed() {
            Some(found) => found.ok_or(OpcUaNodeError::Namespace)?,
            None => (OpcUaNamespace::Index(0), text),
        },
    };
    let (mut name, mut chars) = (String::new(), rest.char_indices());
    let mut end = rest.len();
    while let Some((at, char)) = chars.next() {
        match char {
            '/' => {
                end = at;
                break;
            }
            '&' => name.push(chars.next().ok_or(OpcUaNodeError::Path)?.1),
            other => name.push(other),
        }
    }
    if name.is_empty() {
        return Err(OpcUaNodeError::Path);
    }
    Ok((OpcUaStep { namespace, name }, rest.get(end..).unwrap_or_default()))
}

impl FromStr for OpcUaNode {
    type Err = OpcUaNodeError;
    /// A path begins with `/`.
    fn from_str(text: &str) -> Result<Self, OpcUaNodeError> {
        if text.starts_with('/') { text.parse().map(Self::Path) } else { text.parse().map(Self::Id) }
    }
}

impl fmt::Display for OpcUaNodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            OpcUaNamespace::Index(0) => {}
            OpcUaNamespace::Index(index) => write!(f, "ns={index};")?,
            OpcUaNamespace::Uri(uri) => write!(f, "nsu={};", uri.replace('%', "%25").replace(';', "%3B"))?,
        }
        match &self.identifier {
            OpcUaIdentifier::Numeric(number) => write!(f, "i={number}"),
            OpcUaIdentifier::Text(text) => write!(f, "s={text}"),
            OpcUaIdentifier::Guid(text) => write!(f, "g={text}"),
            OpcUaIdentifier::Opaque(text) => write!(f, "b={text}"),
        }
    }
}

impl fmt::Display for OpcUaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|OpcUaStep { namespace, name }| {
            let name = name.replace('&', "&&").replace('/', "&/").replace(':', "&:");
            // A name that begins as a namespace does would be taken for one.
            let name = name.strip_prefix("nsu=").map_or(name.clone(), |rest| format!("&nsu={rest}"));
            match namespace {
                OpcUaNamespace::Index(0) => write!(f, "/{name}"),
                OpcUaNamespace::Index(index) => write!(f, "/{index}:{name}"),
                OpcUaNamespace::Uri(uri) => write!(f, "/nsu={};{name}", uri.replace('%', "%25").replace(';', "%3B")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn namespace() -> impl Strategy<Value = OpcUaNamespace> {
        prop_oneof![any::<u16>().prop_map(OpcUaNamespace::Index), "[ -~]{1,20}".prop_map(OpcUaNamespace::Uri)]
    }
    proptest! {
        #[test]
        fn what_is_written_is_read_again(namespace in namespace(), name in "\\PC{1,40}", number: u32) {
            for identifier in [OpcUaIdentifier::Numeric(number), OpcUaIdentifier::Text(name.clone())] {
                let id = OpcUaNodeId { namespace: namespace.clone(), identifier };
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
            let step = OpcUaStep { namespace, name };
            let path = OpcUaPath(vec![step.clone(), step]);
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
        #[test]
        fn no_text_is_too_much(text in "[&/:;=%ns0-9u]{0,60}") {
            let (_, _) = (text.parse::<OpcUaNodeId>(), text.parse::<OpcUaPath>());
        }
    }

    #[test]
    fn what_is_no_node_id_says_what_is_allowed() {
        for (text, error) in [
            ("ns=65536;i=1", OpcUaNodeError::Namespace),
            ("nsu=;i=1", OpcUaNodeError::Namespace),
            ("ns=2", OpcUaNodeError::Namespace),
            ("i=4294967296", OpcUaNodeError::Identifier),
            ("i=+1", OpcUaNodeError::Identifier),
            ("s=", OpcUaNodeError::Identifier),
            ("g=09087e75-8e5e-499b-954f-f2a9603db28", OpcUaNodeError::Identifier),
            ("b=!", OpcUaNodeError::Identifier),
            ("Temp", OpcUaNodeError::Identifier),
        ] {
            assert_eq!(text.parse::<OpcUaNodeId>(), Err(error), "{text}");
        }
        for text in ["", "a", "/", "//a", "/2:", "/a/", "/a&"] {
            assert!(text.parse::<OpcUaPath>().is_err(), "{text}");
        }
    }
}
