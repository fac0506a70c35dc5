//! Tries the clock file, and a start with what it says.

use super::{CLOCK_FILE, Clock, ClockFile, Millis, file};
use crate::fuzzing::{Input, scratch};
use std::fs;
use std::time::Duration;

/// How long the machine has run, in milliseconds.
const ELAPSED: Millis = 86_400_000;

/// The offset of the second copy.
const COPY_BYTES: usize = 512;

/// The input is the file, or the text of both copies, which then get their checksums.
pub(crate) fn clock(input: &[u8]) {
    let mut rest = Input(input);
    let (first, floor) = (rest.byte(), rest.number());
    let folder = scratch().join("clock");
    fs::create_dir_all(&folder).expect("a folder");
    let mut file = rest.0.to_vec();
    if first & 1 != 0 {
        file = sealed(rest.piece());
        file.resize(COPY_BYTES, b' ');
        file.extend(sealed(rest.0));
    }
    fs::write(folder.join(CLOCK_FILE), file).expect("a file");
    let known = ClockFile::open(&folder).expect("the file can be read").known().cloned();
    let (clock, hand) = Clock::manual(1_700_000_000_000);
    hand.advance(ELAPSED);
    let limit = (first & 2 != 0).then_some(Duration::from_secs(3_600));
    if clock.begin(known.as_ref(), floor, limit).is_ok() {
        let began = clock.now();
        clock.follow();
        hand.advance(1_000);
        clock.follow();
        assert!(clock.now() >= began);
    }
    if let Some(known) = known {
        clock.written_down(&known);
        ClockFile::open(&folder).expect("a file").write(known.clone()).expect("the file can be written");
        assert_eq!(ClockFile::open(&folder).expect("a file").known(), Some(&known), "it is not the same again");
        ClockFile::inherit(&folder, &folder).expect("the file can be read");
    }
}

/// A copy with its checksum. A boot called `this` is the present one.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    if content.ends_with(b" boot this") {
        content.truncate(content.len() - b"this".len());
        content.extend(file::boot().unwrap_or_default().bytes());
    }
    let sum = format!(" sum {:08x}\n", crc32fast::hash(&content));
    [&content, sum.as_bytes()].concat()
}
