//! Certificates of servers that were trusted at first use, in the state folder: one small file for each server.
use super::certificate::{Certificate, hex};
use crate::error::{Error, Result};
use opcua::crypto::random;
use ring::digest;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tokio::task::spawn_blocking;

const FOLDER: &str = "opcua-servers";

fn file(folder: &Path, server: &str) -> PathBuf {
    let name = hex(digest::digest(&digest::SHA256, server.as_bytes()).as_ref());
    folder.join(FOLDER).join(name)
}
fn said(path: &Path, error: &io::Error) -> Error {
    Error::Security(format!("the server's certificate that is trusted, {}: {error}", path.display()))
}

/// SHA-256 of the certificate that this server showed at first, and its file.
pub(super) async fn kept(folder: &Path, server: &str) -> Result<(Option<String>, PathBuf)> {
    let file = file(folder, server);
    let path = file.clone();
    let read = spawn_blocking(move || match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.split_whitespace().next().unwrap_or_default().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(said(&path, &error)),
    });
    let pin = read.await.unwrap_or_else(|_| Err(Error::Security("reading the state folder failed".to_owned())))?;
    Ok((pin, file))
}

/// Keeps it. The second word and what follows is for people.
pub(super) async fn keep(folder: &Path, server: &str, certificate: &Certificate) -> Result<()> {
    let file = file(folder, server);
    let text = format!("{} {server} {}\n", certificate.sha256(), certificate.subject());
    let write = spawn_blocking(move || replace(&file, &text).map_err(|error| said(&file, &error)));
    write.await.unwrap_or_else(|_| Err(Error::Security("writing the state folder failed".to_owned())))
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut part = [0; 8];
    random::bytes(&mut part);
    let temporary = file.with_extension(format!("{:016x}.tmp", u64::from_ne_bytes(part)));
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, file));
    if written.is_err() {
        fs::remove_file(&temporary).ok(); // nothing was written to it that anybody needs
    }
    written
}
