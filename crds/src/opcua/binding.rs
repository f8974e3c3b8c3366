//! Where a property stands at an OPC UA server, and what a command calls there.
use super::{OpcUaNode, OpcUaNodeId, OpcUaPath};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a property stands: a variable's node, by its id or by its path. Its type is the server's, read once and kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.nodeId), has(self.browsePath)].filter(x, x).size() == 1").message("exactly one of nodeId, browsePath must be set"))]
#[x_kube(validation = Rule::new("!has(self.nodeId) || self.nodeId.contains('${') || self.nodeId.matches('^(nsu=[^;]+;|ns=[0-9]{1,5};)?(i=[0-9]{1,10}|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/]+=*)$')").message("must be a node id such as ns=2;s=Boiler.Temp, nsu=urn:vendor:plc;i=1001 or i=2258").field_path(".nodeId"))]
#[x_kube(validation = Rule::new("!has(self.browsePath) || self.browsePath.contains('${') || self.browsePath.matches('^(/((nsu=[^;]+;|[0-9]{1,5}:)?([^/&]|&.)+))+$')").message("must be /NAME/NAME from the Device's root, each name with its namespace before it unless that is 0, such as /2:Boiler/2:Temp or /nsu=urn:vendor:plc;Boiler").field_path(".browsePath"))]
#[x_kube(validation = Rule::new("!has(self.sampling) || self.sampling != 'Poll' || !(has(self.deadband) || has(self.queueSize))").message("deadband and queueSize go with sampling Subscribe"))]
pub struct OpcUaBinding {
    /// The node's id: its namespace by URI (nsu=urn:vendor:plc;) or by index (ns=2;), which servers may change at a restart, none for
    /// that of the standard; then i=NUMBER, s=TEXT, g=GUID or b=BASE64. In a URI, %3B stands for ; and %25 for %. May contain
    /// `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024))]
    pub node_id: Option<String>,
    /// The node's path from the Device's root, by browse names: /2:Boiler/2:Temp, or /nsu=urn:vendor:plc;Boiler/nsu=urn:vendor:plc;Temp.
    /// & before a character of a name takes it as it is. May contain `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1024))]
    pub browse_path: Option<String>,
    /// A part of an array: 3, 0:9, or one of these per dimension with commas between, such as 0:1,2; both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), regex(pattern = "^[0-9]{1,9}(:[0-9]{1,9})?(,[0-9]{1,9}(:[0-9]{1,9})?){0,7}$"))]
    pub index_range: Option<String>,
    /// Changes up to this are not sent by the server; default all are. Where it refuses that of a node, all are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadband: Option<OpcUaDeadband>,
    /// Values that the server keeps between two sendings, 1 to 10000; default so many as are sampled between them, and one more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub queue_size: Option<i32>,
    /// How its value comes; default Subscribe, or the Channel's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<OpcUaSampling>,
}

/// Changes up to this are not sent by the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.absolute), has(self.percent)].filter(x, x).size() == 1").message("exactly one of absolute, percent must be set"))]
pub struct OpcUaDeadband {
    /// In the node's own unit, before scale and offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub absolute: Option<f64>,
    /// In percent of the node's EURange, which it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percent: Option<f64>,
}

/// How its value comes; default Subscribe. Subscribe: the server samples it each interval of the property and sends changes. Poll:
/// it is read each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum OpcUaSampling {
    /// The server samples it and sends changes.
    #[default]
    Subscribe,
    /// It is read each interval.
    Poll,
}

/// The method that a command calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.object) || self.object.contains('${') || self.object.startsWith('/') || self.object.matches('^(nsu=[^;]+;|ns=[0-9]{1,5};)?(i=[0-9]{1,10}|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/]+=*)$')").message("must be a node id such as ns=2;s=Boiler, or a browse path from the Device's root such as /2:Boiler").field_path(".object"))]
#[x_kube(validation = Rule::new("self.method.contains('${') || self.method.startsWith('/') || self.method.matches('^(nsu=[^;]+;|ns=[0-9]{1,5};)?(i=[0-9]{1,10}|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/]+=*)$')").message("must be a node id such as ns=2;s=Boiler.Reset, or a browse path from the object such as /2:Reset").field_path(".method"))]
pub struct OpcUaMethod {
    /// The object that it is called on: a node id, or a browse path from the Device's root; default the root itself. May contain
    /// `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub object: Option<String>,
    /// The method: a node id, or a browse path from the object. May contain `${parameter}` and `${name}`.
    #[schemars(length(min = 1, max = 1024))]
    pub method: String,
}

impl OpcUaBinding {
    /// The node that it names. After parameters are filled in; before, what holds one is not judged by [`flaws`](Self::flaws).
    pub fn node(&self) -> Result<OpcUaNode, (&'static str, String)> {
        match (&self.node_id, &self.browse_path) {
            (Some(id), None) => {
                id.parse::<OpcUaNodeId>().map(OpcUaNode::Id).map_err(|error| (".nodeId", error.to_string()))
            }
            (None, Some(path)) => {
                path.parse::<OpcUaPath>().map(OpcUaNode::Path).map_err(|error| (".browsePath", error.to_string()))
            }
            _ => Err(("", "exactly one of nodeId, browsePath must be set".to_owned())),
        }
    }
    /// What does not go together, as (field below `binding.opcua`, message); empty: all does. Of one with parameters filled in.
    pub fn flaws(&self) -> Vec<(&'static str, String)> {
        let mut flaws: Vec<_> = self.node().err().into_iter().collect();
        if self.sampling == Some(OpcUaSampling::Poll) && (self.deadband.is_some() || self.queue_size.is_some()) {
            flaws.push((".sampling", "deadband and queueSize go with sampling Subscribe".to_owned()));
        }
        if let Some(OpcUaDeadband { absolute, percent }) = &self.deadband {
            let given = [absolute, percent].into_iter().flatten().collect::<Vec<_>>();
            if given.len() != 1 {
                flaws.push((".deadband", "exactly one of absolute, percent must be set".to_owned()));
            }
            if given.into_iter().any(|number| !(number.is_finite() && *number >= 0.0)) {
                flaws.push((".deadband", "must be a finite number, not negative".to_owned()));
            }
        }
        flaws
    }
}
