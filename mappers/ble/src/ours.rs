//! Which connections are ours. BlueZ holds a connection until somebody ends it, also when its mapper was killed or has given up a BlueZ that
//! hung: who comes after ends what was left, and nobody else's.
use crate::address::Address;
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Read as _,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// An adapter carries fewer.
const MOST: usize = 64;

/// Connections of one adapter that we asked for and that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Ours {
    now: Mutex<BTreeSet<Address>>,
    /// An address a line. Not synced: what the power takes has no connections left.
    file: Option<File>,
}

impl Ours {
    /// And those of before.
    pub(crate) fn open(folder: Option<&Path>, adapter: &str) -> (Self, Vec<Address>) {
        let Some(folder) = folder else { return (Self::default(), vec![]) };
        let path = folder.join("ble").join(format!("connected-{}", adapter.replace(':', "-").to_ascii_lowercase()));
        let mut text = String::new();
        let opened = fs::create_dir_all(folder.join("ble")).and_then(|()| {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            file.by_ref().take(64 * 1024).read_to_string(&mut text)?;
            Ok(file)
        });
        let file = opened.inspect_err(|error| {
            tracing::warn!(%error, path = %path.display(), "which connections are ours is not kept over a restart");
        });
        let before: BTreeSet<Address> = text.lines().filter_map(|line| line.parse().ok()).take(MOST).collect();
        (Self { now: Mutex::new(before.clone()), file: file.ok() }, before.into_iter().collect())
    }
    fn now(&self) -> MutexGuard<'_, BTreeSet<Address>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Before it is asked for.
    pub(crate) fn add(&self, address: Address) {
        let mut now = self.now();
        if now.insert(address) {
            self.keep(&now);
        }
    }
    /// It has ended.
    pub(crate) fn remove(&self, address: Address) {
        let mut now = self.now();
        if now.remove(&address) {
            self.keep(&now);
        }
    }
    fn keep(&self, now: &BTreeSet<Address>) {
        let Some(file) = &self.file else { return };
        let lines: Vec<String> = now.iter().map(ToString::to_string).collect();
        let text = lines.join("\n");
        let kept = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.set_len(text.len() as u64));
        if let Err(error) = kept {
            tracing::debug!(%error, "which connections are ours is not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> Address {
        Address([0xF0, 0xF1, 0xF2, 0xF3, 0xF4, number])
    }

    #[test]
    fn what_was_not_ended_is_known_to_who_comes_after_and_each_adapter_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let open = |adapter| Ours::open(Some(folder.path()), adapter);
        let (ours, before) = open("00:00:00:00:00:01");
        assert_eq!(before, []);
        (1..=3).for_each(|number| ours.add(address(number)));
        ours.remove(address(2));
        drop(ours);
        assert_eq!(open("00:00:00:00:00:02").1, []);
        let (ours, before) = open("00:00:00:00:00:01");
        assert_eq!(before, [address(1), address(3)]);
        for address in before {
            ours.remove(address);
        }
        assert_eq!(open("00:00:00:00:00:01").1, []);
    }
    #[test]
    fn a_file_of_anything_and_no_folder_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("ble")).unwrap();
        let file = folder.path().join("ble/connected-00-00-00-00-00-01");
        fs::write(&file, format!("F0:F1\n{}\n\0\0nothing\nF0:", address(7))).unwrap();
        assert_eq!(Ours::open(Some(folder.path()), "00:00:00:00:00:01").1, [address(7)]);
        fs::write(&file, [0xFF, 0xFE, 0xFD]).unwrap();
        let (ours, before) = Ours::open(Some(folder.path()), "00:00:00:00:00:01");
        assert_eq!(before, []);
        ours.add(address(1));
        let (ours, before) = Ours::open(Some(&folder.path().join("absent/\0")), "00:00:00:00:00:01");
        assert_eq!(before, []);
        ours.add(address(1));
    }
}
