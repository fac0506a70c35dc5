//! Helpers that damage files in a repeatable way.

use super::LONG;
use sessiond_client::{Client, Error, VerifySummary};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

/// Random numbers that follow from a seed.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one each time.
    pub(crate) fn seed() -> u64 {
        RandomState::new().hash_one(0)
    }

    /// A number below `end`, which is above 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }
}

/// Flips, overwrites or cuts off bytes of one file of a data folder, most often of sled's log or the redo log. Returns
/// a text that says what it did.
pub(crate) fn damage(data: &Path, random: &mut Random) -> String {
    let mut files: Vec<PathBuf> =
        contents(data).into_iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(path, _)| path).collect();
    let is_log = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "db" || name.starts_with("redo.")
    };
    let logs: Vec<PathBuf> = files.iter().filter(is_log).cloned().collect();
    (0..5).for_each(|_| files.extend_from_slice(&logs));
    let path = &files[random.index(files.len())];
    let mut bytes = fs::read(path).unwrap();
    let at = random.index(bytes.len());
    let what = match random.below(4) {
        0 => {
            bytes.truncate(at);
            "cut off".to_owned()
        }
        1 => {
            let length = (1 + random.index(4_096)).min(bytes.len() - at);
            bytes[at..at + length].fill(0);
            format!("{length} zeros")
        }
        _ => {
            bytes[at] ^= 1 << random.below(8);
            "a bit flipped".to_owned()
        }
    };
    fs::write(path, bytes).unwrap();
    format!("{} at {at}: {what}", path.strip_prefix(data).unwrap().display())
}

/// All files below a folder.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = super::files_below(folder).into_iter();
    files
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// What a running server finds when it checks its own data.
pub(crate) async fn check(client: &Client) -> VerifySummary {
    let mut check = client.verify().await.unwrap();
    while let Some(told) = tokio::time::timeout(LONG, check.next()).await.unwrap() {
        told.unwrap();
    }
    check.summary().cloned().unwrap()
}

/// Changes rows in the data of a stopped server.
pub(crate) fn edit(data: &Path, change: impl FnOnce(&sled::Db)) {
    let db = sled::Config::new().path(data.join("sled")).segment_size(2 << 20).open().unwrap();
    change(&db);
    db.flush().unwrap();
}

/// Flips a bit of a row.
pub(crate) fn flip_row(tree: &sled::Tree, key: &[u8]) {
    let mut row = tree.get(key).unwrap().unwrap();
    *row.last_mut().unwrap() ^= 1;
    tree.insert(key, row).unwrap();
}

/// Whether the server answers that the data is damaged.
pub(crate) fn is_data_loss(error: &Error) -> bool {
    *error == Error::SessionCorrupt
}
