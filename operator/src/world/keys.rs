//! What the parts of the operator call each other's objects.
use std::{fmt, sync::Arc};

/// `namespace/name` of a namespaced object, or the name of one that has no namespace. Shared, because it stands in many maps.
pub type Id = Arc<str>;

/// `namespace/name`.
pub fn id(namespace: &str, name: &str) -> Id {
    if namespace.is_empty() { name.into() } else { format!("{namespace}/{name}").into() }
}

/// Namespace and name of an [`Id`].
pub fn parts(id: &str) -> (&str, &str) {
    id.split_once('/').unwrap_or(("", id))
}

/// One mapper: a class on a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapperKey {
    /// `MapperClass`.
    pub class: Arc<str>,
    /// Node.
    pub node: Arc<str>,
}

impl MapperKey {
    /// Of that class on that node.
    pub fn new(class: &str, node: &str) -> Self {
        Self { class: class.into(), node: node.into() }
    }
    /// Mapper and chunk of a slice's name `<class>.<node>.<chunk>`.
    pub fn of_slice(name: &str) -> Option<(Self, usize)> {
        let (rest, chunk) = name.rsplit_once('.')?;
        let (class, node) = rest.split_once('.')?;
        Some((Self::new(class, node), chunk.parse().ok()?))
    }
    /// Mapper of a reader's name `slice.<class>.<node>`.
    pub fn of_reader(name: &str) -> Option<Self> {
        Self::of_secret(name.strip_prefix("slice.")?)
    }
    /// Mapper of a Secret's name `<class>.<node>`.
    pub fn of_secret(name: &str) -> Option<Self> {
        name.split_once('.').map(|(class, node)| Self::new(class, node))
    }
}
impl fmt::Display for MapperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.class, self.node)
    }
}

/// What waits in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// The conditions of a Device.
    Device(Id),
    /// The slices of a mapper.
    Mapper(MapperKey),
    /// The `DaemonSet` of a class.
    Class(Id),
    /// The status of a Channel.
    Channel(Id),
}

impl Task {
    /// For logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Device(_) => "Device",
            Self::Mapper(_) => "Mapper",
            Self::Class(_) => "MapperClass",
            Self::Channel(_) => "Channel",
        }
    }
}
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(id) | Self::Class(id) | Self::Channel(id) => f.write_str(id),
            Self::Mapper(key) => key.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_although_nodes_have_dots() {
        let key = MapperKey::new("modbus", "edge.a.example");
        assert_eq!(
            MapperKey::of_slice(&pollux_crds::slice_name("modbus", "edge.a.example", 7)),
            Some((key.clone(), 7))
        );
        assert_eq!(MapperKey::of_reader(&pollux_crds::reader_name("modbus", "edge.a.example")), Some(key.clone()));
        assert_eq!(MapperKey::of_secret(&pollux_crds::secret_name("modbus", "edge.a.example")), Some(key));
        assert_eq!(MapperKey::of_slice("modbus.edge.x"), None);
        assert_eq!(MapperKey::of_reader("default"), None);
    }
}
