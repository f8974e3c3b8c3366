//! How a connection to an OPC UA server is secured, and who we are there (Part 4, 6.1; Part 7, 6.6).
use crate::{
    AUTHORITY, CERTIFICATE, PASSWORD, PRIVATE_KEY, USER_NAME,
    secrets::{Named, given},
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the connection is secured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.policy) && self.policy in ['None', 'Basic128Rsa15', 'Basic256']) || (has(self.insecure) && self.insecure)").message("policies None, Basic128Rsa15 and Basic256 need insecure: true, for they protect nothing, or no longer enough").field_path(".policy"))]
#[x_kube(validation = Rule::new("!has(self.mode) || (self.mode == 'None') == (has(self.policy) && self.policy == 'None')").message("mode None goes with policy None, and only with it").field_path(".mode"))]
#[x_kube(validation = Rule::new("!(has(self.policy) && self.policy == 'None' && has(self.certificate))").message("certificate goes with a policy other than None").field_path(".certificate"))]
pub struct OpcUaSecurity {
    /// Security policy; default Best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<OpcUaPolicy>,
    /// Security mode; default SignAndEncrypt, and None with policy None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<OpcUaMode>,
    /// Allows policies None, Basic128Rsa15 and Basic256, by which whoever stands in between may read and write; default false. A
    /// password is never sent readable, with it either. For commissioning only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// A certificate of ours from a Secret, shared by all nodes that use it; default one of its own for each class and node, made
    /// once and kept in the state folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<OpcUaSecret>,
    /// By what the server's certificate is trusted; default by nothing: the condition then tells its thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<OpcUaTrust>,
    /// Whether the server's certificate must name the host of url; default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_host_name: Option<bool>,
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct OpcUaSecret {
    /// Name of a Secret in the same namespace, labelled pollux.rs/for=mappers. Of a certificate, as cert-manager writes it:
    /// tls.crt and tls.key; an application's certificate has the ApplicationUri as the URI of its subjectAltName. Of a user, of
    /// type kubernetes.io/basic-auth: username and password.
    #[schemars(length(min = 1, max = 180), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret: String,
}

/// By what the server's certificate is trusted: any one of these is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secret) || (has(self.thumbprints) && self.thumbprints.size() > 0) || (has(self.onFirstUse) && self.onFirstUse)").message("at least one of secret, thumbprints, onFirstUse must be set"))]
pub struct OpcUaTrust {
    /// Name of a Secret in the same namespace, labelled pollux.rs/for=mappers: its ca.crt holds certificates of authorities, or
    /// of servers themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 180), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub secret: Option<String>,
    /// Thumbprints of server certificates: SHA-1 (40 digits, as servers and tools show it) or SHA-256 (64 digits), in small
    /// hexadecimal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub thumbprints: Vec<OpcUaThumbprint>,
    /// Trusts the first certificate that the server shows, and from then on only that; default false. It is kept in the state
    /// folder of the node. Not with policy None and a user: nothing proves there whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_first_use: Option<bool>,
}

/// Thumbprint of a certificate: SHA-1 or SHA-256 in small hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OpcUaThumbprint(#[schemars(length(max = 64), regex(pattern = "^([0-9a-f]{40}|[0-9a-f]{64})$"))] pub String);

/// Security policy; default Best. Best: the strongest of the next three that the server offers. Aes256_Sha256_RsaPss,
/// Basic256Sha256, Aes128_Sha256_RsaOaep: those in use. Basic256, Basic128Rsa15: deprecated, they need insecure. None: nothing
/// is signed or encrypted, it needs insecure too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum OpcUaPolicy {
    /// The strongest that the server offers.
    #[default]
    Best,
    /// AES 256, SHA-256, RSA-PSS.
    #[serde(rename = "Aes256_Sha256_RsaPss")]
    Aes256Sha256RsaPss,
    /// AES 256, SHA-256.
    Basic256Sha256,
    /// AES 128, SHA-256, RSA-OAEP.
    #[serde(rename = "Aes128_Sha256_RsaOaep")]
    Aes128Sha256RsaOaep,
    /// Deprecated: SHA-1.
    Basic256,
    /// Deprecated: SHA-1, PKCS#1 1.5.
    Basic128Rsa15,
    /// Neither signed nor encrypted.
    None,
}

/// Security mode; default SignAndEncrypt. SignAndEncrypt: nobody in between can read or change. Sign: nobody can change.
/// None: goes with policy None.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum OpcUaMode {
    /// Signed and encrypted.
    #[default]
    SignAndEncrypt,
    /// Signed.
    Sign,
    /// Neither.
    None,
}

/// Who we are to the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.user), has(self.certificate)].filter(x, x).size() == 1").message("exactly one of user, certificate must be set; without identity it is anonymous"))]
pub struct OpcUaIdentity {
    /// A user with a password. It is encrypted as the server's own token policy says; where that would send it readable, it is not
    /// sent at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<OpcUaSecret>,
    /// A user with a certificate (X.509).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<OpcUaSecret>,
}

impl OpcUaSecurity {
    /// The mode that it means.
    pub fn effective_mode(&self) -> OpcUaMode {
        self.mode.unwrap_or(if self.policy == Some(OpcUaPolicy::None) { OpcUaMode::None } else { OpcUaMode::default() })
    }
    /// What does not go together, as (field below `security`, message); the rules say the same where the API server sees it.
    pub(crate) fn flaws(&self) -> Vec<(&'static str, &'static str)> {
        let weak = matches!(self.policy, Some(OpcUaPolicy::None | OpcUaPolicy::Basic256 | OpcUaPolicy::Basic128Rsa15));
        let none = self.policy == Some(OpcUaPolicy::None);
        let mut flaws = vec![];
        if weak && self.insecure != Some(true) {
            flaws.push((
                ".policy",
                "policies None, Basic128Rsa15 and Basic256 need insecure: true, for they protect nothing, or no longer enough",
            ));
        }
        if self.mode.is_some_and(|mode| (mode == OpcUaMode::None) != none) {
            flaws.push((".mode", "mode None goes with policy None, and only with it"));
        }
        if none && self.certificate.is_some() {
            flaws.push((".certificate", "certificate goes with a policy other than None"));
        }
        flaws
    }
    pub(super) fn secrets_mut(&mut self) -> Vec<Named<'_>> {
        let own = self.certificate.as_mut().map(|own| Named {
            field: "spec.protocol.opcua.security.certificate.secret",
            keys: given(&[CERTIFICATE, PRIVATE_KEY]),
            name: &mut own.secret,
            digits: None,
        });
        let trust = self.trust.as_mut().and_then(|trust| trust.secret.as_mut()).map(|name| Named {
            field: "spec.protocol.opcua.security.trust.secret",
            keys: given(&[AUTHORITY]),
            name,
            digits: None,
        });
        own.into_iter().chain(trust).collect()
    }
}

impl OpcUaIdentity {
    pub(super) fn secrets_mut(&mut self) -> Vec<Named<'_>> {
        let user = self.user.as_mut().map(|user| Named {
            field: "spec.protocol.opcua.identity.user.secret",
            keys: given(&[USER_NAME, PASSWORD]),
            name: &mut user.secret,
            digits: None,
        });
        let certificate = self.certificate.as_mut().map(|own| Named {
            field: "spec.protocol.opcua.identity.certificate.secret",
            keys: given(&[CERTIFICATE, PRIVATE_KEY]),
            name: &mut own.secret,
            digits: None,
        });
        user.into_iter().chain(certificate).collect()
    }
}
