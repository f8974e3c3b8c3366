//! The state folder: one small file per device with what its twin must not forget, and caches for sources. Each file is
//! replaced as a whole and carries a checksum, so that a power cut leaves the old or the new one, never half of it. What cannot
//! be read is moved aside, said, and counts as lost.
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const LOCK: &str = "lock";
const RECORDS: &str = "records";
const LEARNED: &str = "learned";
const CACHE: &str = "cache";
/// First word of each file.
const FORMAT: &str = "pollux1";
/// Longest file that is read back.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Longest name that is a file's name as it stands, with room for endings.
const MAX_NAME: usize = 246;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Two mappers on one folder would undo each other's records.
    #[error("state folder {0} is in use by another mapper; give each its own with --state-dir")]
    Locked(PathBuf),
    /// The disk said no.
    #[error("state folder: {path}: {error}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A record that is not JSON; a programming error.
    #[error("state folder: {0}")]
    Json(#[from] serde_json::Error),
}

/// What the disk knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded<T> {
    /// As it was saved last.
    Found(T),
    /// Never saved, or removed.
    Absent,
    /// It was saved, and cannot be read any more.
    Lost,
}
impl<T> Loaded<T> {
    /// The content, if there is one.
    pub fn found(self) -> Option<T> {
        if let Self::Found(content) = self { Some(content) } else { None }
    }
}

/// A folder that this process has for itself. All methods block for as long as the disk does.
#[derive(Debug)]
pub struct Store {
    folder: Option<PathBuf>,
    /// Where drivers keep what is their own, where that is elsewhere.
    beside: Option<PathBuf>,
    /// Held as long as the store lives; the system lets go of it when the process ends, however it ends.
    _lock: Option<File>,
}

impl Store {
    /// Takes the folder for this process, and makes it where it is missing.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        for part in [folder.to_owned(), folder.join(RECORDS), folder.join(LEARNED), folder.join(CACHE)] {
            fs::create_dir_all(&part).map_err(at(&part))?;
        }
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::Locked(folder.to_owned())),
            Err(fs::TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        let store = Self { folder: Some(folder.to_owned()), beside: None, _lock: Some(lock) };
        for part in [RECORDS, LEARNED, CACHE] {
            sweep(&folder.join(part));
        }
        Ok(store)
    }
    /// Keeps nothing: for commands that run once.
    pub fn ephemeral() -> Self {
        Self { folder: None, beside: None, _lock: None }
    }
    /// Keeps nothing itself, but lets drivers keep there what is their own (a certificate that a server has been told of): what
    /// runs once shall not be another one each time. A folder that cannot be made is none.
    pub fn ephemeral_beside(folder: Option<PathBuf>) -> Self {
        let beside = folder.filter(|folder| fs::create_dir_all(folder).is_ok());
        Self { folder: None, beside, _lock: None }
    }
    /// Where drivers keep what is their own.
    pub fn drivers(&self) -> Option<&Path> {
        self.beside.as_deref().or(self.folder.as_deref())
    }
    /// The folder, if anything is kept.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Replaces the record of a device. When it returns, the record is on the disk.
    pub fn save_record<R: Serialize>(&self, uid: &str, record: &R) -> Result<(), StoreError> {
        self.write(RECORDS, uid, &serde_json::to_vec(record)?)
    }
    /// The record of a device. One that cannot be read is moved aside, and said once.
    pub fn record<R: DeserializeOwned>(&self, uid: &str) -> Loaded<R> {
        match self.read(RECORDS, uid) {
            Loaded::Found(bytes) => match serde_json::from_slice(&bytes) {
                Ok(record) => Loaded::Found(record),
                Err(error) => self.lose(RECORDS, uid, &error.to_string()),
            },
            Loaded::Absent => Loaded::Absent,
            Loaded::Lost => Loaded::Lost,
        }
    }
    /// As [`Store::record`], for whom lost and never saved are the same.
    pub fn load_record<R: DeserializeOwned>(&self, uid: &str) -> Option<R> {
        self.record(uid).found()
    }
    /// Replaces what a driver learned of a device.
    pub fn save_learned<L: Serialize>(&self, uid: &str, learned: &L) -> Result<(), StoreError> {
        self.write(LEARNED, uid, &serde_json::to_vec(learned)?)
    }
    /// What a driver learned of a device. What cannot be read is moved aside, and nothing was learned.
    pub fn learned<L: DeserializeOwned>(&self, uid: &str) -> Option<L> {
        let bytes = self.read(LEARNED, uid).found()?;
        match serde_json::from_slice(&bytes) {
            Ok(learned) => Some(learned),
            Err(error) => self.lose(LEARNED, uid, &error.to_string()).found(),
        }
    }
    /// Nothing was learned of any device.
    pub fn forget_learned(&self) -> Result<(), StoreError> {
        self.keep(LEARNED, &BTreeSet::new())
    }
    /// Nothing was learned of a device.
    pub fn remove_learned(&self, uid: &str) -> Result<(), StoreError> {
        self.delete(LEARNED, uid)
    }
    /// Forgets a device.
    pub fn remove_record(&self, uid: &str) -> Result<(), StoreError> {
        self.delete(LEARNED, uid)?;
        self.delete(RECORDS, uid)
    }
    /// Forgets all devices but these, and what was moved aside of them.
    pub fn keep_records(&self, uids: &BTreeSet<String>) -> Result<(), StoreError> {
        let kept: BTreeSet<String> = uids.iter().map(|uid| file_name(uid)).collect();
        self.keep(RECORDS, &kept)?;
        self.keep(LEARNED, &kept)
    }
    fn keep(&self, part: &str, kept: &BTreeSet<String>) -> Result<(), StoreError> {
        let Some(folder) = self.folder.as_ref().map(|folder| folder.join(part)) else { return Ok(()) };
        let of = |name: &str| [".corrupt", ".tmp"].iter().find_map(|e| name.strip_suffix(e)).unwrap_or(name).to_owned();
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            let name = path.file_name().map(|name| of(&name.to_string_lossy())).unwrap_or_default();
            if !kept.contains(&name) {
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    /// Replaces a cached text of a source.
    pub fn save(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(CACHE, name, bytes)
    }
    /// A cached text of a source.
    pub fn load(&self, name: &str) -> Loaded<Vec<u8>> {
        self.read(CACHE, name)
    }
    /// Forgets a cached text.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.delete(CACHE, name)
    }

    fn path(&self, part: &str, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(part).join(file_name(name)))
    }
    fn write(&self, part: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let Some(path) = self.path(part, name) else { return Ok(()) };
        let new = ending(&path, "tmp");
        replace(&path, &new, bytes).map_err(|error| {
            fs::remove_file(&new).ok(); // what could not be written helps nobody
            at(&path)(error)
        })
    }
    fn read(&self, part: &str, name: &str) -> Loaded<Vec<u8>> {
        let Some(path) = self.path(part, name) else { return Loaded::Absent };
        match content(&path) {
            Ok(Ok(bytes)) => Loaded::Found(bytes),
            Ok(Err(why)) => self.lose(part, name, why),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Loaded::Absent,
            Err(error) => self.lose(part, name, &error.to_string()),
        }
    }
    fn lose<T>(&self, part: &str, name: &str, why: &str) -> Loaded<T> {
        if let Some(path) = self.path(part, name) {
            let aside = ending(&path, "corrupt");
            let moved = fs::rename(&path, &aside).is_ok();
            tracing::error!(file = %path.display(), why, moved, "state cannot be read: it counts as lost");
        }
        Loaded::Lost
    }
    fn delete(&self, part: &str, name: &str) -> Result<(), StoreError> {
        let Some(path) = self.path(part, name) else { return Ok(()) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => Ok(()),
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |error| StoreError::Io { path, error }
}
fn ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
/// Leftovers of a process that died while it wrote.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|e| e == "tmp") {
            fs::remove_file(entry.path()).ok(); // it is in nobody's way
        }
    }
}
/// uids and names of objects are file names as they stand; anything else becomes its hash.
fn file_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(plain) && !name.starts_with('.') && (1..=MAX_NAME).contains(&name.len()) {
        return name.to_owned();
    }
    format!("_{}", hex(name.as_bytes()))
}
fn hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn replace(path: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    // For nobody else's eyes: there may be secrets among it.
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(new)?;
    file.write_all(format!("{FORMAT} {}\n", hex(bytes)).as_bytes())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, path)?;
    // The rename itself is on the disk only when the folder is.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
fn content(path: &Path) -> io::Result<Result<Vec<u8>, &'static str>> {
    let mut bytes = vec![];
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let Some(end) = bytes.iter().position(|b| *b == b'\n') else { return Ok(Err("it has no first line")) };
    let body = bytes.split_off(end + 1);
    let first = String::from_utf8_lossy(&bytes);
    Ok(match first.trim_end().split_once(' ') {
        Some((FORMAT, sum)) if sum == hex(&body) => Ok(body),
        Some((FORMAT, _)) => Err("its checksum does not fit"),
        _ => Err("it is of another format"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }
    fn record(folder: &tempfile::TempDir, ending: &str) -> PathBuf {
        folder.path().join(RECORDS).join(format!("u{ending}"))
    }

    #[test]
    fn what_was_saved_is_there_after_a_restart() {
        let (folder, store) = store();
        assert_eq!(store.record::<String>("u"), Loaded::Absent);
        store.save_record("u", &"one").unwrap();
        store.save_record("u", &"two").unwrap();
        store.save("modbus.edge-1.example.0", b"slice").unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.record("u"), Loaded::Found("two".to_owned()));
        assert_eq!(store.load("modbus.edge-1.example.0"), Loaded::Found(b"slice".to_vec()));
        store.remove_record("u").unwrap();
        store.remove_record("u").unwrap();
        assert_eq!(store.record::<String>("u"), Loaded::Absent);
    }

    #[test]
    fn what_was_learned_goes_with_the_device_and_is_nothing_where_it_is_damaged() {
        let (folder, store) = store();
        let file = folder.path().join(LEARNED).join("u");
        store.save_learned("u", &"a hole").unwrap();
        assert_eq!(store.learned("u"), Some("a hole".to_owned()));
        for damaged in ["", "pollux1 0\n\"a hole\""] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(store.learned::<String>("u"), None);
        }
        for remove in [
            |store: &Store| store.remove_learned("u"),
            |store: &Store| store.remove_record("u"),
            |store: &Store| store.keep_records(&BTreeSet::from(["v".to_owned()])),
        ] {
            store.save_learned("u", &"a hole").unwrap();
            remove(&store).unwrap();
            assert!(!file.exists());
        }
    }

    #[test]
    fn killed_before_the_rename_the_old_record_stands() {
        let (folder, store) = store();
        store.save_record("u", &"old").unwrap();
        fs::write(record(&folder, ".tmp"), "pollux1 half").unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.record("u"), Loaded::Found("old".to_owned()));
        assert!(!record(&folder, ".tmp").exists());
    }

    #[test]
    fn what_is_damaged_is_moved_aside_and_lost_not_believed() {
        let (folder, store) = store();
        store.save_record("u", &"21.5").unwrap();
        let good = fs::read_to_string(record(&folder, "")).unwrap();
        for damaged in [good.replace("21.5", "99.9"), good.replace(FORMAT, "pollux0"), String::new(), "x".into()] {
            fs::write(record(&folder, ""), damaged).unwrap();
            assert_eq!(store.record::<String>("u"), Loaded::Lost);
            assert!(record(&folder, ".corrupt").exists());
            assert_eq!(store.record::<String>("u"), Loaded::Absent, "said once");
        }
        store.save_record("u", &5).unwrap();
        assert_eq!(store.record::<String>("u"), Loaded::Lost, "of another shape");
    }

    #[test]
    fn on_a_full_disk_the_old_record_stands_and_the_error_is_told() {
        let (folder, store) = store();
        store.save_record("u", &"old").unwrap();
        std::os::unix::fs::symlink("/dev/full", record(&folder, ".tmp")).unwrap();
        let error = store.save_record("u", &"new").unwrap_err().to_string();
        assert!(error.contains("No space left"), "{error}");
        assert_eq!(store.record("u"), Loaded::Found("old".to_owned()));
        store.save_record("u", &"new").unwrap();
        assert_eq!(store.record("u"), Loaded::Found("new".to_owned()));
    }

    #[test]
    fn a_folder_serves_one_mapper_at_a_time() {
        let (folder, store) = store();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Locked(_))));
        drop(store);
        assert!(Store::open(folder.path()).is_ok());
    }

    #[test]
    fn names_never_leave_the_folder() {
        let (folder, store) = store();
        for name in ["../../x", "", ".", "..", "a/b", &"n".repeat(300)] {
            store.save_record(name, &name).unwrap();
            assert_eq!(store.record(name), Loaded::Found(name.to_owned()), "{name}");
        }
        assert_eq!(fs::read_dir(folder.path().join(RECORDS)).unwrap().count(), 6);
    }

    #[test]
    fn only_the_records_of_some_devices_are_kept() {
        let (folder, store) = store();
        for uid in ["u", "v", "a/b", "c/d"] {
            store.save_record(uid, &uid).unwrap();
        }
        fs::write(folder.path().join(RECORDS).join("v.corrupt"), "x").unwrap();
        fs::write(record(&folder, ".corrupt"), "x").unwrap();
        store.keep_records(&["u", "a/b", "new"].map(String::from).into()).unwrap();
        let kept = |uid: &str| store.load_record::<String>(uid).is_some();
        assert_eq!(["u", "v", "a/b", "c/d", "new"].map(kept), [true, false, true, false, false]);
        assert_eq!(fs::read_dir(folder.path().join(RECORDS)).unwrap().count(), 3, "what was moved aside of u stays");
    }

    #[test]
    fn ephemeral_keeps_nothing() {
        let store = Store::ephemeral();
        store.save_record("u", &1).unwrap();
        assert_eq!((store.record::<i32>("u"), store.folder()), (Loaded::Absent, None));
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a/b");
        let store = Store::ephemeral_beside(Some(place.clone()));
        store.save_record("u", &1).unwrap();
        assert_eq!((store.record::<i32>("u"), store.folder()), (Loaded::Absent, None));
        assert_eq!(store.drivers(), Some(&*place));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(
            Store::ephemeral_beside(Some(file.join("x"))).drivers(),
            None,
            "where nothing can be kept, nothing is"
        );
    }
}
