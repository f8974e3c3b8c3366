//! What stands in a Secret. Errors name the Secret and the key in it, and never show what is in it.
use crate::error::{Error, Result};
use pollux_mapper::Cx;
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// The contents of one Secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contents<'a> {
    pub(super) name: &'a str,
    pub(super) cx: &'a Cx,
}

impl Contents<'_> {
    pub(super) fn wrong(&self, key: &str, what: &str) -> Error {
        Error::Config(format!("Secret {}: {key} {what}", self.name.replacen('.', "/", 1)))
    }
    pub(super) fn content(&self, key: &str) -> Result<&[u8]> {
        let content = self.cx.secrets.get(&format!("{}.{key}", self.name));
        content.map(Vec::as_slice).ok_or_else(|| self.wrong(key, "is not there"))
    }
    /// Text without the line end that tools put behind it.
    pub(super) fn text(&self, key: &str) -> Result<&str> {
        let text = std::str::from_utf8(self.content(key)?).map_err(|_| self.wrong(key, "is no text in UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() { Err(self.wrong(key, "is empty")) } else { Ok(text) }
    }
    /// At least one.
    pub(super) fn certificates(&self, key: &str) -> Result<Vec<Vec<u8>>> {
        let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.content(key)?).collect();
        match all {
            Ok(all) if !all.is_empty() => Ok(all.into_iter().map(|one| one.to_vec()).collect()),
            _ => Err(self.wrong(key, "holds no certificate in PEM")),
        }
    }
}
