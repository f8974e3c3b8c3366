//! What the server has: nodes, and settings that tests bend.
use super::{sessions::Sessions, subscriptions::Subscriptions};
use opcua::types::{
    AttributeId, DataTypeId, DataValue, DateTime, LocalizedText, NodeClass, NodeId, ObjectId, ObjectTypeId,
    QualifiedName, ReferenceDescription, ReferenceTypeId, StatusCode, VariableId, VariableTypeId, Variant,
};
use std::collections::{BTreeMap, HashMap};

/// Namespace of the nodes that tests name.
pub(crate) const PLANT: u16 = 2;
const CURRENT_READ_AND_WRITE: u8 = 3;

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) class: NodeClass,
    pub(crate) browse_name: QualifiedName,
    /// By attribute id.
    pub(crate) attributes: BTreeMap<u32, DataValue>,
    /// Type of the reference, other end; all forward.
    pub(crate) references: Vec<(NodeId, NodeId)>,
}

type Method = Box<dyn FnMut(&[Variant]) -> Result<Vec<Variant>, StatusCode> + Send>;

/// All of it.
pub(crate) struct World {
    pub(crate) nodes: HashMap<NodeId, Node>,
    /// By method id.
    pub(crate) methods: HashMap<NodeId, Method>,
    pub(crate) namespaces: Vec<String>,
    /// Every policy and mode that is not deprecated, not only None.
    pub(crate) secured: bool,
    /// Requests need a session that was activated on their channel.
    pub(crate) sessions: bool,
    /// Most elements of a request of a service, and what is said to more.
    pub(crate) limits: HashMap<&'static str, (usize, StatusCode)>,
    /// Largest request in bytes, as Acknowledge says it; 0: any.
    pub(crate) most_request: u32,
    /// Said in place of Acknowledge.
    pub(crate) acknowledge: Option<Vec<u8>>,
    /// What Hello said of the URL.
    pub(crate) hellos: Vec<String>,
    /// How long a token lives, in ms, whatever was asked for; 0: as asked for.
    pub(crate) token_lifetime: u32,
    /// How far the server's clock is ahead.
    pub(crate) clock: chrono::TimeDelta,
    /// The URL of its endpoints; empty: where it is.
    pub(crate) endpoint_url: String,
    /// Publish requests that may wait in a session.
    pub(crate) most_publishes: usize,
    /// Messages that are kept for Republish.
    pub(crate) kept_messages: usize,
    /// A subscription is given the lowest number that is free: one that is gone, its number too.
    pub(crate) numbers_again: bool,
    /// Continuation points.
    pub(crate) points: HashMap<Vec<u8>, (Vec<ReferenceDescription>, usize)>,
    pub(crate) active: Sessions,
    pub(crate) subscriptions: Subscriptions,
}

impl World {
    /// A folder Line (Objects/2:Line) with Speed, Count, Name, On, Floats, all writable, and the method Add; policy None.
    pub(crate) fn plant() -> Self {
        let mut world = Self {
            nodes: HashMap::new(),
            methods: HashMap::new(),
            namespaces: vec!["http://opcfoundation.org/UA/".into(), "urn:liar".into(), "urn:plant".into()],
            secured: false,
            sessions: true,
            limits: HashMap::new(),
            most_request: 0,
            acknowledge: None,
            hellos: vec![],
            token_lifetime: 0,
            clock: chrono::TimeDelta::zero(),
            endpoint_url: String::new(),
            most_publishes: 100,
            kept_messages: 100,
            numbers_again: false,
            points: HashMap::new(),
            active: Sessions::default(),
            subscriptions: Subscriptions::default(),
        };
        world.object(ObjectId::ObjectsFolder.into(), QualifiedName::new(0, "Objects"));
        world.object(ObjectId::Server.into(), QualifiedName::new(0, "Server"));
        world.child(&ObjectId::ObjectsFolder.into(), &ObjectId::Server.into());
        let line = World::id("Line");
        world.object(line.clone(), QualifiedName::new(PLANT, "Line"));
        world.child(&ObjectId::ObjectsFolder.into(), &line);
        world.add("Speed", 1.5_f64);
        world.add("Count", 7_i32);
        world.add("Name", "press");
        world.add("On", true);
        world.add("Floats", vec![1.0_f32, 2.0, 3.0, 4.0]);
        world.method("Add", |arguments| match arguments {
            [Variant::Double(a), Variant::Double(b)] => Ok(vec![Variant::Double(a + b)]),
            [_, _] => Err(StatusCode::BadTypeMismatch),
            _ => Err(StatusCode::BadArgumentsMissing),
        });
        world
    }
    /// The same behind Basic256Sha256, Aes128_Sha256_RsaOaep and Aes256_Sha256_RsaPss, and None.
    pub(crate) fn secured() -> Self {
        Self { secured: true, ..Self::plant() }
    }
    /// `ns=2;s=NAME`.
    pub(crate) fn id(name: &str) -> NodeId {
        NodeId::new(PLANT, name)
    }
    /// Its clock.
    pub(crate) fn now(&self) -> DateTime {
        DateTime::from(chrono::Utc::now() + self.clock)
    }
    fn object(&mut self, id: NodeId, browse_name: QualifiedName) {
        self.node(id, NodeClass::Object, browse_name, ObjectTypeId::FolderType.into());
    }
    fn node(&mut self, id: NodeId, class: NodeClass, browse_name: QualifiedName, of_type: NodeId) {
        let name = browse_name.name.clone();
        let attributes = [
            (AttributeId::NodeId, Variant::from(id.clone())),
            (AttributeId::NodeClass, Variant::from(class as i32)),
            (AttributeId::BrowseName, Variant::from(browse_name.clone())),
            (AttributeId::DisplayName, Variant::from(LocalizedText::from(name.as_ref()))),
        ];
        let attributes =
            attributes.into_iter().map(|(attribute, value)| (attribute as u32, DataValue::value_only(value)));
        let references = match class {
            NodeClass::Object | NodeClass::Variable => vec![(ReferenceTypeId::HasTypeDefinition.into(), of_type)],
            _ => vec![],
        };
        self.nodes.insert(id, Node { class, browse_name, attributes: attributes.collect(), references });
    }
    /// A reference HasComponent.
    pub(crate) fn child(&mut self, parent: &NodeId, child: &NodeId) {
        let parent = self.nodes.get_mut(parent).expect("it is there");
        parent.references.push((ReferenceTypeId::HasComponent.into(), child.clone()));
    }
    /// A variable in Line, `ns=2;s=NAME`, of the value's own type.
    pub(crate) fn add(&mut self, name: &str, value: impl Into<Variant>) {
        let id = Self::id(name);
        self.variable(&id, QualifiedName::new(PLANT, name), value);
        let line = Self::id("Line");
        if !self.nodes[&line].references.iter().any(|(_, child)| *child == id) {
            self.child(&line, &id);
        }
    }
    fn variable(&mut self, id: &NodeId, browse_name: QualifiedName, value: impl Into<Variant>) {
        let value = value.into();
        let data_type = value.data_type().map_or_else(|| DataTypeId::BaseDataType.into(), |id| id.node_id);
        let rank = if value.is_array() { 1 } else { -1 };
        self.node(id.clone(), NodeClass::Variable, browse_name, VariableTypeId::BaseDataVariableType.into());
        let now = self.now();
        for (attribute, value) in [
            (AttributeId::Value, DataValue::new_at(value, now)),
            (AttributeId::DataType, DataValue::value_only(data_type)),
            (AttributeId::ValueRank, DataValue::value_only(rank)),
            (AttributeId::AccessLevel, DataValue::value_only(CURRENT_READ_AND_WRITE)),
            (AttributeId::UserAccessLevel, DataValue::value_only(CURRENT_READ_AND_WRITE)),
        ] {
            self.attribute(id, attribute, value);
        }
    }
    /// Any attribute of a node that is there.
    pub(crate) fn attribute(&mut self, id: &NodeId, attribute: AttributeId, value: DataValue) {
        self.nodes.get_mut(id).expect("it is there").attributes.insert(attribute as u32, value);
    }
    /// A method of Line.
    pub(crate) fn method(
        &mut self,
        name: &str,
        run: impl FnMut(&[Variant]) -> Result<Vec<Variant>, StatusCode> + Send + 'static,
    ) {
        let (id, line) = (Self::id(name), Self::id("Line"));
        self.node(id.clone(), NodeClass::Method, QualifiedName::new(PLANT, name), NodeId::null());
        self.child(&line, &id);
        self.methods.insert(id, Box::new(run));
    }
    /// A new value, now and Good; subscribers get it.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Variant>) {
        let value = DataValue { server_timestamp: None, ..DataValue::new_at(value, self.now()) };
        self.put(&Self::id(name), &value);
    }
    /// Any value, with any status and time; subscribers get it.
    pub(crate) fn put(&mut self, id: &NodeId, value: &DataValue) {
        self.attribute(id, AttributeId::Value, value.clone());
        self.subscriptions.changed(id, value);
    }
    /// The value that is there.
    pub(crate) fn value(&self, name: &str) -> Variant {
        let value = &self.nodes[&Self::id(name)].attributes[&(AttributeId::Value as u32)];
        value.value.clone().unwrap_or_default()
    }
    /// The node is gone; its subscribers are told so.
    pub(crate) fn remove(&mut self, name: &str) {
        let id = Self::id(name);
        self.nodes.remove(&id);
        let gone = DataValue { status: Some(StatusCode::BadNodeIdUnknown), ..DataValue::null() };
        self.subscriptions.changed(&id, &gone);
    }
    /// OperationLimits and other variables of the server, by their well-known ids.
    pub(crate) fn well_known(&mut self, id: VariableId, value: impl Into<Variant>) {
        self.variable(&id.into(), QualifiedName::new(0, format!("{id:?}")), value);
    }
    /// As after a restart: nobody is known.
    pub(crate) fn forget_sessions(&mut self) {
        self.active = Sessions::default();
        self.subscriptions.clear();
    }
    /// Subscriptions deleted behind their owners' backs.
    pub(crate) fn forget_subscriptions(&mut self) {
        self.subscriptions.clear();
    }
    /// Messages of subscriptions are numbered from 1 again.
    pub(crate) fn number_messages_anew(&mut self) {
        self.subscriptions.number_anew();
    }
    /// Nothing is kept for Republish.
    pub(crate) fn forget_messages(&mut self) {
        self.subscriptions.forget_messages();
    }
    /// How many items are watched.
    pub(crate) fn items(&self) -> usize {
        self.subscriptions.items()
    }
    /// How many messages are kept for Republish.
    pub(crate) fn kept(&self) -> usize {
        self.subscriptions.kept()
    }
    /// How many sessions and subscriptions are there.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.active.len(), self.subscriptions.len())
    }
}
