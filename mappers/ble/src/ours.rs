//! Which connections are ours. BlueZ holds a connection until somebody ends it, also when its mapper was killed or has given up a BlueZ that
//! hung: who comes after ends what was left, and nobody else's. The file is
//! locked by who writes it: `read` beside a mapper that runs ends none of its connections, nor does a second name of one adapter.
use crate::address::Address;
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
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
    state: Mutex<State>,
    /// An address a line. Not synced: what the power takes has no connections left.
    file: Option<File>,
}

#[derive(Debug, Default)]
struct State {
    now: BTreeSet<Address>,
    /// The file is locked by us: who finds it locked has a living neighbour, whose connections are in it.
    holds: bool,
}

impl Ours {
    /// And those of before, where who made them is gone.
    pub(crate) fn open(folder: Option<&Path>, adapter: &str) -> (Self, Vec<Address>) {
        let Some(folder) = folder else { return (Self::default(), vec![]) };
        let path = folder.join("ble").join(format!("connected-{}", adapter.replace(':', "-").to_ascii_lowercase()));
        let opened = fs::create_dir_all(folder.join("ble"))
            .and_then(|()| OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path));
        let file = opened.inspect_err(|error| {
            tracing::warn!(%error, path = %path.display(), "which connections are ours is not kept over a restart");
        });
        let this = Self { state: Mutex::default(), file: file.ok() };
        let before = {
            let mut state = this.state();
            this.take(&mut state);
            if this.file.is_some() && !state.holds {
                tracing::info!("another link uses this adapter: its connections are left alone");
            }
            state.now.iter().copied().collect()
        };
        (this, before)
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes the file, and what stands in it, unless somebody else has it.
    fn take(&self, state: &mut State) {
        let Some(file) = self.file.as_ref().filter(|_| !state.holds) else { return };
        match file.try_lock() {
            Ok(()) => state.holds = true,
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Error(error)) => return tracing::debug!(%error, "which connections are ours is not kept"),
        }
        let mut bytes = vec![];
        match file.take(64 * 1024).read_to_end(&mut bytes) {
            Ok(_) => {
                let text = String::from_utf8_lossy(&bytes);
                state.now.extend(text.lines().filter_map(|line| line.parse::<Address>().ok()).take(MOST));
            }
            Err(error) => tracing::warn!(%error, "connections of before are not known"),
        }
    }
    /// Another link that lives uses the adapter: what is connected may be its.
    pub(crate) fn has_neighbour(&self) -> bool {
        self.file.is_some() && !self.state().holds
    }
    /// Before it is asked for.
    pub(crate) fn add(&self, address: Address) {
        let mut state = self.state();
        self.take(&mut state); // who had it may have ended
        if state.now.insert(address) {
            self.keep(&state);
        }
    }
    /// It has ended.
    pub(crate) fn remove(&self, address: Address) {
        let mut state = self.state();
        if state.now.remove(&address) {
            self.keep(&state);
        }
    }
    fn keep(&self, state: &State) {
        let Some(file) = self.file.as_ref().filter(|_| state.holds) else { return };
        let lines: Vec<String> = state.now.iter().map(ToString::to_string).collect();
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
        drop(ours);
        assert_eq!(open("00:00:00:00:00:01").1, []);
    }
    #[test]
    fn what_belongs_to_one_that_lives_is_not_of_before_and_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Ours::open(Some(folder.path()), "00:00:00:00:00:01");
        let (first, _) = open();
        first.add(address(1));
        let (second, before) = open();
        assert_eq!(before, []);
        assert!(second.has_neighbour() && !first.has_neighbour());
        second.add(address(2));
        second.remove(address(2));
        drop(first);
        let (first, before) = open();
        assert_eq!(before, [address(1)]);
        // Once it is free it is kept by who is left, with what was left in it.
        drop(first);
        second.add(address(3));
        assert!(!second.has_neighbour());
        drop(second);
        assert_eq!(open().1, [address(1), address(3)]);
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
