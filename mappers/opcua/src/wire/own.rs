//! What our application shows.
use opcua::{
    crypto::{PrivateKey, X509},
    types::ByteString,
};
use std::fmt;

/// Our application's certificate and key.
pub(crate) struct Own {
    /// The leaf.
    pub cert: X509,
    /// Its key.
    pub key: PrivateKey,
    /// The leaf, as it is sent: the crate's channel sends no chain, and both must be the same.
    pub blob: ByteString,
    /// The ApplicationUri, which is the URI of its subjectAltName.
    pub uri: String,
}
/// Never shows the key.
impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Own({}, {})", self.uri, self.cert.thumbprint().as_hex_string())
    }
}
