//! Tries the reader of sled's files with small segments.

use super::pages::Pages;
use super::{PageRows, SledFiles, snapshot};
use crate::engine::durable::cipher::Cipher;
use crate::engine::durable::sync_watermark::SyncWatermark;
use crate::engine::durable::table::Table;
use crate::fuzzing::{Input, check_line, scratch};
use std::fs::{self, File};

/// Bytes of a segment here.
const SEGMENT: usize = 512;

/// The input is taken for a snapshot, a watermark, and segments with messages; checksums are made here unless it asks for
/// others.
pub(crate) fn pages(input: &[u8]) {
    let mut rest = Input(input);
    let flags = rest.byte();
    let folder = scratch().join("sled");
    fs::create_dir_all(&folder).expect("a folder");
    let snapshot = rest.piece();
    let sum = crc32fast::hash(snapshot).wrapping_add(u32::from(flags & 1));
    let length = (snapshot.len() as u64).to_le_bytes();
    let file = [snapshot, &length, &sum.to_le_bytes()].concat();
    fs::write(folder.join("snap.1"), if flags & 2 == 0 { &[][..] } else { &file[..] }).expect("a file");
    let watermark = (flags & 4 != 0).then(|| SyncWatermark {
        log_end: rest.number(),
        file_bytes: rest.number(),
        ..SyncWatermark::default()
    });
    let path = folder.join("db");
    fs::write(&path, if flags & 8 == 0 { log(rest) } else { rest.0.to_vec() }).expect("a file");

    let snapshot = snapshot::read(&folder).expect("the folder can be read");
    let (snapshot_is_damaged, snapshot_bytes) = (snapshot.is_none(), file.len() as u64);
    let log = File::open(&path).expect("a file");
    let pages = Pages::find(log, SEGMENT, snapshot.unwrap_or_default(), watermark).expect("the files can be read");
    let bytes = fs::metadata(&path).expect("a file").len() + snapshot_bytes;
    assert!(pages.table.len() as u64 <= bytes, "{} pages of {bytes} bytes", pages.table.len());
    check(&SledFiles { pages: Some(pages), snapshot_is_damaged, watermark, cipher: Cipher::default() });
}

fn check(files: &SledFiles) {
    assert!(files.has_log());
    assert!(files.damaged_pages() <= files.used_pages());
    if let Some(damage) = files.damage() {
        check_line(&damage);
    }
    let _ = (files.is_uncertain(), files.stray_segments());
    for table in [Table::Sessions, Table::Due] {
        let found = files.table(table.name()).expect("the files can be read");
        let rows = files.rows(table, &found).flat_map(|rows| rows.expect("the files can be read"));
        let rows: PageRows = rows.collect();
        if !table.has_leaves() {
            assert!(rows.is_sorted_by(|(key, _), (next, _)| key < next), "a row twice, or out of order");
        }
    }
}

fn log(mut rest: Input<'_>) -> Vec<u8> {
    const MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;
    let mut log = Vec::new();
    while !rest.is_empty() {
        let number = rest.number();
        let begins = number.wrapping_mul(SEGMENT as u64);
        let header = [(begins ^ MASK).to_le_bytes(), (rest.number().wrapping_sub(1) ^ MASK).to_le_bytes()].concat();
        let mut segment = [&(!crc32fast::hash(&header)).to_le_bytes()[..], &header].concat();
        for _ in 0..rest.byte() % 16 {
            message(&mut rest, number, &mut segment);
        }
        segment.resize(SEGMENT, 0);
        log.extend(segment);
    }
    log
}

/// Appends a message: its kind, its page, and its payload. One kind in 16 stands for bytes that are no message.
fn message(rest: &mut Input<'_>, segment_number: u64, segment: &mut Vec<u8>) {
    let kind = rest.byte() % 16;
    let page = rest.number();
    let length = rest.byte();
    let payload = rest.take(length.into());
    if kind == 15 {
        segment.extend(payload);
        return;
    }
    let mut header = vec![kind];
    for written in [payload.len() as u64, segment_number, page] {
        put_number(written, &mut header);
    }
    let sum = !crc32fast::hash(&[payload, &header].concat());
    segment.extend([&sum.to_le_bytes()[..], &header, payload].concat());
}

/// Writes a number as sled does.
fn put_number(number: u64, header: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(small) if small <= 240 => header.push(small),
        _ => {
            header.push(255);
            header.extend(number.to_le_bytes());
        }
    }
}
