//! Encryption at rest in the engine on disk: turning it on, changing keys, turning it off, and what stands in the files.

use crate::conformance::subject::{cause, record};
use sessiond::encryption::{KeyNumber, KeyRing, new_key};
use sessiond::engine::{
    DataFolder, DurableEngine, DurableOptions, EncryptionStatistics, Engine, EngineError, KeyProblem, Outcome,
    SessionList, View, salvage, verify,
};
use sessiond::model::{EventKind, Handle, PrincipalHash, Record};
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a re-encryption of a few rows may take on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A ring of these lines.
pub(crate) fn ring(lines: &[&str]) -> KeyRing {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, lines.join("\n").as_bytes()).unwrap();
    KeyRing::load(&path).unwrap()
}

struct Folder {
    temp: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    fn try_open(&self, keys: Option<&KeyRing>) -> Result<DurableEngine, EngineError> {
        let options = DurableOptions { keys: keys.cloned(), ..DurableOptions::unsynced(4 << 20) };
        DurableEngine::open(DataFolder::claim(self.temp.path()).unwrap(), &options)
    }

    fn open(&self, keys: Option<&KeyRing>) -> DurableEngine {
        self.try_open(keys).unwrap()
    }

    fn path(&self) -> &Path {
        self.temp.path()
    }

    /// Whether a file of the folder has these bytes.
    fn shows(&self, wanted: &[u8]) -> bool {
        let files = fs::read_dir(self.path().join("sled")).unwrap().map(|entry| entry.unwrap().path());
        let mut files = files.filter(|path| path.is_file());
        files.any(|path| fs::read(path).unwrap().windows(wanted.len()).any(|window| window == wanted))
    }

    fn state_file(&self) -> PathBuf {
        self.path().join("sled/encryption")
    }
}

/// Puts sessions of which some are so large that they are split. Returns their records.
async fn fill(engine: &DurableEngine, sessions: usize) -> Vec<Record> {
    let mut records = Vec::new();
    for number in 0..sessions {
        let (record, _) = record(if number % 10 == 0 { 50_000 } else { 300 });
        engine
            .commit(&mut |draft| {
                draft.put(record.clone(), None, Some(cause(EventKind::Created)))?;
                Ok(Outcome::Commit)
            })
            .await
            .unwrap();
        records.push(stored(engine, record.handle).await.unwrap());
    }
    records
}

async fn stored(engine: &DurableEngine, handle: Handle) -> Option<Record> {
    let mut found = None;
    let mut query = |view: &dyn View| {
        found = view.record(handle)?.map(Arc::unwrap_or_clone);
        Ok(())
    };
    engine.read(&mut query).await.unwrap();
    found
}

/// Checks that the records, their rows in both lists, and their events are all there.
async fn check(engine: &DurableEngine, records: &[Record]) {
    for record in records {
        assert_eq!(stored(engine, record.handle).await.as_ref(), Some(record));
    }
    let mut handles: Vec<Handle> = records.iter().map(|record| record.handle).collect();
    handles.sort_unstable();
    handles.reverse();
    for list in [SessionList::of("default", "ada"), SessionList::of("default", "")] {
        let mut found = Vec::new();
        let mut query = |view: &dyn View| {
            found = view.members(&list, None, 10_000)?;
            Ok(())
        };
        engine.read(&mut query).await.unwrap();
        assert_eq!(found, handles);
    }
    let mut events = 0;
    let mut query = |view: &dyn View| {
        events = view.events(0, 10_000)?.len();
        Ok(())
    };
    engine.read(&mut query).await.unwrap();
    assert_eq!(events, records.len());
    assert_eq!(engine.statistics().sessions.values().sum::<u64>(), records.len() as u64);
}

fn state(engine: &DurableEngine) -> Option<EncryptionStatistics> {
    engine.statistics().encryption
}

async fn settle(engine: &DurableEngine) {
    let began = Instant::now();
    while state(engine).is_some_and(|state| state.is_partly_plain || !state.older_keys.is_empty()) {
        assert!(began.elapsed() < LONG, "{:?}", state(engine));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn settled(key: KeyNumber) -> EncryptionStatistics {
    EncryptionStatistics { key: Some(key), ..EncryptionStatistics::default() }
}

#[tokio::test]
async fn a_new_folder_shows_nothing_of_sessions() {
    let (number, line) = new_key();
    let (folder, keys) = (Folder::new(), ring(&[&line]));
    let principal = PrincipalHash::of_principal("default", "ada");
    for is_encrypted in [true, false] {
        let folder = if is_encrypted { &folder } else { &Folder::new() };
        let engine = folder.open(is_encrypted.then_some(&keys));
        let records = fill(&engine, 200).await;
        engine.close().await.unwrap();
        drop(engine);
        for secret in
            [&b"laptop"[..], b"device", &[b'x'; 20], principal.as_bytes(), records[7].credentials[0].hash.as_bytes()]
        {
            // The hash of a chosen ID is a key of `lookups`.
            let is_key = secret == records[7].credentials[0].hash.as_bytes();
            assert_eq!(folder.shows(secret), !is_encrypted || is_key, "{secret:?}, {is_encrypted}");
        }
        let engine = folder.open(is_encrypted.then_some(&keys));
        check(&engine, &records).await;
        assert_eq!(state(&engine), is_encrypted.then(|| settled(number)));
        engine.close().await.unwrap();
    }
}

#[tokio::test]
async fn the_redo_log_shows_nothing_either() {
    let (folder, keys) = (Folder::new(), ring(&[&new_key().1]));
    let engine = folder.open(Some(&keys));
    let records = fill(&engine, 20).await;
    let began = Instant::now();
    // Everything stands in the redo log only, as after a kill.
    while engine.statistics().disk.unwrap().redo_unwritten > 0 {
        assert!(began.elapsed() < LONG);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let copy = Folder::new();
    fs::create_dir(copy.path().join("sled")).unwrap();
    for entry in fs::read_dir(folder.path().join("sled")).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            fs::copy(entry.path(), copy.path().join("sled").join(entry.file_name())).unwrap();
        }
    }
    engine.close().await.unwrap();
    let principal = PrincipalHash::of_principal("default", "ada");
    for secret in [&b"laptop"[..], b"device", &[b'x'; 20], principal.as_bytes()] {
        assert!(!copy.shows(secret), "{secret:?}");
    }
    let engine = copy.open(Some(&keys));
    check(&engine, &records).await;
    engine.close().await.unwrap();
}

#[tokio::test]
async fn keys_are_turned_on_changed_and_turned_off() {
    let folder = Folder::new();
    let [(first, first_line), (second, second_line)] = [new_key(), new_key()];
    let engine = folder.open(None);
    let mut records = fill(&engine, 100).await;
    engine.close().await.unwrap();
    drop(engine);
    let steps = [
        (vec![&first_line[..]], Some(first)),
        (vec![&second_line[..], &first_line], Some(second)),
        (vec![&first_line[..], &second_line], Some(first)),
        (vec!["plain", &first_line], None),
        (vec![&second_line[..]], Some(second)),
    ];
    for (lines, key) in steps {
        let keys = ring(&lines);
        // Interrupted twice before it can come to its end.
        for _ in 0..2 {
            let engine = folder.open(Some(&keys));
            check(&engine, &records).await;
            engine.close().await.unwrap();
            drop(engine);
        }
        let engine = folder.open(Some(&keys));
        records.extend(fill(&engine, 5).await);
        settle(&engine).await;
        check(&engine, &records).await;
        assert_eq!(state(&engine), key.map(settled));
        engine.close().await.unwrap();
        drop(engine);
        // The other keys are not needed any more.
        let only = key.map(|key| ring(&[if key == first { &first_line } else { &second_line }]));
        assert!(verify(folder.path(), only.as_ref()).unwrap().is_clean());
        let engine = folder.open(only.as_ref());
        check(&engine, &records).await;
        assert_eq!(state(&engine), key.map(settled));
        engine.close().await.unwrap();
        drop(engine);
        assert_eq!(folder.state_file().exists(), key.is_some());
    }
}

#[tokio::test]
async fn wrong_keys_are_refused_before_anything_is_changed() {
    let folder = Folder::new();
    let [(number, line), (other_number, other)] = [new_key(), new_key()];
    let engine = folder.open(Some(&ring(&[&line])));
    let records = fill(&engine, 10).await;
    engine.close().await.unwrap();
    drop(engine);
    let files = || {
        let mut files: Vec<_> =
            fs::read_dir(folder.path().join("sled")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.retain(|path| path.is_file());
        files.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = files();
    let refusals = [
        (None, format!("the data is encrypted; name the file with the key {number} with encryption-keys")),
        (Some(ring(&[&other])), format!("lacks the key {number}, under which data is encrypted")),
        (Some(ring(&["plain", &other])), format!("lacks the key {number}, under which data is encrypted")),
    ];
    for (keys, expected) in refusals {
        let error = folder.try_open(keys.as_ref()).err().unwrap();
        assert!(error.to_string().contains(&expected), "{error}");
        let error = verify(folder.path(), keys.as_ref()).unwrap_err();
        assert!(error.to_string().contains(&expected), "{error}");
        assert!(files() == before, "{expected}");
    }
    // The file that says so is missed, and damage to it is noticed.
    let whole = fs::read(folder.state_file()).unwrap();
    let right = ring(&[&other, &line]);
    fs::remove_file(folder.state_file()).unwrap();
    assert!(matches!(folder.try_open(Some(&right)), Err(EngineError::Keys(KeyProblem::Lost))));
    assert!(matches!(folder.try_open(None), Err(EngineError::Keys(KeyProblem::Lost))));
    fs::write(folder.state_file(), &whole[1..]).unwrap();
    assert!(matches!(folder.try_open(Some(&right)), Err(EngineError::Keys(KeyProblem::Damaged))));
    let verified = verify(folder.path(), Some(&right)).unwrap();
    assert!(verified.refusal.as_ref().unwrap().contains("sled/encryption is damaged"), "{verified:?}");
    assert_eq!((verified.sessions, verified.events), (10, 10), "what is there can still be read");
    let saved = tempfile::tempdir().unwrap();
    let salvaged = salvage(folder.path(), saved.path(), false, Some(right.clone())).await.unwrap();
    assert!(salvaged.saved == 10 && salvaged.is_complete(), "{salvaged:?}");
    fs::write(folder.state_file(), &whole).unwrap();
    let engine = folder.open(Some(&right));
    settle(&engine).await;
    check(&engine, &records).await;
    assert_eq!(state(&engine), Some(settled(other_number)));
    engine.close().await.unwrap();
}
