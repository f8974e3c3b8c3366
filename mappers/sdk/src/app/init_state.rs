//! The state folder is made by the kubelet as root; the image has no shell, so the mapper's own binary gives it away.
use super::{Exit, say};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
};

pub(super) fn run(folder: &Path, uid: u32, gid: u32) -> Exit {
    match give(folder, uid, gid) {
        Ok(()) => Exit::Ok,
        Err(error) => say(&format!("{}: {error}", folder.display()), Exit::Fault),
    }
}
fn give(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let now = fs::metadata(folder)?;
    if (now.uid(), now.gid()) == (uid, gid) { Ok(()) } else { chown(folder, Some(uid), Some(gid)) }
}
