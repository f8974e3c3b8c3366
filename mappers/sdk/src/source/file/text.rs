//! Files and folders as texts.
use pollux_crds::offline::yaml::MAX_BYTES;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Files of one folder that are read.
const MAX_FILES: usize = 10_000;

/// One file as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) file: Arc<Path>,
    /// Its text, or why there is none.
    pub(crate) content: Result<String, String>,
}

/// Files as they are, folders one level deep (`*.yaml`, `*.yml`, sorted); each file once.
pub(crate) fn read(paths: &[PathBuf]) -> Vec<Text> {
    let mut seen = BTreeSet::new();
    let mut texts = vec![];
    for path in paths {
        match files(path) {
            Ok(files) => {
                let new = files.into_iter().filter(|f| seen.insert(f.canonicalize().unwrap_or_else(|_| f.clone())));
                texts.extend(new.map(|file| Text { content: content(&file), file: file.into() }));
            }
            Err(why) => texts.push(Text { file: path.as_path().into(), content: Err(why) }),
        }
    }
    texts
}

/// What tells texts from others: they may be large, and are not kept.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(texts: &[Text]) -> Digest {
    let mut hash = Sha256::new();
    for Text { file, content } in texts {
        let (is_text, words) = match content {
            Ok(text) => (1, text),
            Err(why) => (0, why),
        };
        for part in [file.as_os_str().as_encoded_bytes(), &[is_text], words.as_bytes()] {
            hash.update(part.len().to_le_bytes()); // or the end of one could be the beginning of the next
            hash.update(part);
        }
    }
    hash.finalize().into()
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|e| e.to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| is_yaml(p)).take(MAX_FILES).collect();
    files.sort();
    if files.is_empty() { Err("no *.yaml or *.yml in this folder".into()) } else { Ok(files) }
}
/// Hidden files are editors' and volumes' own.
fn is_yaml(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
    !hidden && path.is_file() && path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}
fn content(file: &Path) -> Result<String, String> {
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1; // one more than is taken, so that it is noticed
    let mut bytes = vec![];
    File::open(file).and_then(|f| f.take(most).read_to_end(&mut bytes)).map_err(|e| e.to_string())?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: &str, content: Result<&str, &str>) -> Text {
        Text { file: Path::new(file).into(), content: content.map(str::to_owned).map_err(str::to_owned) }
    }

    #[test]
    fn a_digest_tells_names_texts_and_why_there_is_none() {
        let all = [
            vec![],
            vec![text("a", Ok("b"))],
            vec![text("ab", Ok(""))],
            vec![text("a", Err("b"))],
            vec![text("a", Ok("b")), text("c", Ok(""))],
            vec![text("c", Ok("")), text("a", Ok("b"))],
        ];
        for (n, texts) in all.iter().enumerate() {
            assert_eq!(digest(texts), digest(&texts.clone()));
            assert!(all.iter().take(n).all(|others| digest(others) != digest(texts)), "{texts:?}");
        }
    }
}
