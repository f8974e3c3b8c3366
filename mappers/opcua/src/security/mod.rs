//! Who we are, who the server must be, and how both is shown (Part 2; Part 4, 6.1). Certificates and keys come from the state folder or
//! from Secrets, stay in memory, and are in no log. Not here: revocation lists, global discovery servers, user tokens of an issuer,
//! elliptic curves, and channels of a server that shows a chain instead of its own certificate alone (it is refused in words).
pub(crate) mod certificate;
mod contents;
mod endpoint;
pub(crate) mod identity;
mod own;
mod pin;
#[cfg(test)]
mod tests;
mod trust;
pub(crate) mod words;

pub(crate) use endpoint::{Found, downgraded, find, offers, tokens, told};
pub(crate) use identity::Identity;
pub(crate) use own::own;
pub(crate) use trust::{Expected, Trust, trusted};
