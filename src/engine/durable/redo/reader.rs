//! Reads the redo log when a folder is opened. It tells writes that a crash cut short from damage.

use super::{PREFIX, Position, entry, generations, path_of};
use crate::engine::durable::cipher::Cipher;
use crate::engine::durable::memtable::Layer;
use bytes::Bytes;
use std::fs;
use std::io;
use std::path::Path;

/// What the redo log holds.
#[derive(Debug, Default)]
pub(in super::super) struct Redo {
    /// Every row that it changes, in its newest state.
    pub(in super::super) rows: Layer,
    /// What is damaged, if acknowledged changes may be missing because of it.
    pub(in super::super) damage: Option<String>,
    /// A generation that is newer than all existing ones.
    pub(in super::super) next_generation: u64,
}

impl Redo {
    /// Reads the log in this folder. `synced` is how far it was synced, if known.
    pub(in super::super) fn read(folder: &Path, synced: Option<Position>, cipher: &Cipher) -> io::Result<Self> {
        let synced = synced.unwrap_or_default();
        let generations = generations(folder)?;
        let newest = generations.last().copied().unwrap_or(0).max(synced.generation);
        let mut redo = Self { next_generation: newest + 1, ..Self::default() };
        for generation in generations.iter().copied() {
            let file = Bytes::from(fs::read(path_of(folder, generation))?);
            let known = if generation == synced.generation { synced.bytes } else { 0 };
            let ended = redo.replay(generation, &file, known, cipher);
            // A later generation is synced only after all of this one.
            if !ended && generation < synced.generation && synced.bytes > 0 {
                redo.lose(generation, file.len() as u64);
            }
        }
        if synced.bytes > 0 && !generations.contains(&synced.generation) {
            redo.damage = Some(format!("the file {PREFIX}{} is missing", synced.generation));
        }
        Ok(redo)
    }

    /// Applies the entries of one generation, of which `synced` bytes are known to have been synced. Returns whether it
    /// has ended.
    fn replay(&mut self, generation: u64, file: &Bytes, synced: u64, cipher: &Cipher) -> bool {
        let mut at = 0;
        loop {
            let position = Position { generation, bytes: at as u64 };
            let found = entry::read(&file.slice(at..), position);
            match found.and_then(|(content, length)| Some((entry::rows(content, position, cipher)?, length))) {
                Some((rows, _)) if rows.is_empty() => return true,
                Some((rows, length)) => {
                    for row in rows {
                        self.rows.apply(row);
                    }
                    at += length;
                }
                // The write was under way when the process ended, or was not synced when the power was cut.
                None if position.bytes >= synced => return false,
                None => {
                    self.lose(generation, position.bytes);
                    match next_entry(generation, file, at + 1, synced) {
                        Some(next) => at = next,
                        None => return false,
                    }
                }
            }
        }
    }

    fn lose(&mut self, generation: u64, at: u64) {
        self.damage.get_or_insert_with(|| {
            format!(
                "the file {PREFIX}{generation} is damaged at byte {at}, where it holds changes that were acknowledged"
            )
        });
    }
}

/// Finds an entry behind damage, within the synced bytes.
fn next_entry(generation: u64, file: &Bytes, from: usize, synced: u64) -> Option<usize> {
    let end = usize::try_from(synced).map_or(file.len(), |synced| synced.min(file.len()));
    (from..end).find(|at| {
        let position = Position { generation, bytes: *at as u64 };
        entry::may_begin(&file[*at..]) && entry::read(&file.slice(*at..), position).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::super::{RedoFile, RedoWriter};
    use super::*;
    use crate::engine::durable::memtable::Row;
    use crate::engine::durable::table::Table;

    fn row(key: u8, value: u8) -> Row {
        Row::put(Table::Due, [key], Bytes::copy_from_slice(&[value; 100]))
    }

    fn value(redo: &Redo, key: u8) -> Option<u8> {
        redo.rows.rows(Table::Due).get(&[key][..]).and_then(|value| Some(value.as_ref()?[0]))
    }

    /// A generation's number, the key and value of each row that it puts, and whether it has ended.
    type Generation<'a> = (u64, &'a [(u8, u8)], bool);

    /// Writes generations of transactions that put one row each. Returns the end of the last one.
    fn write(folder: &Path, generations: &[Generation<'_>]) -> Position {
        let mut end = Position::default();
        for (generation, rows, sealed) in generations {
            let mut writer = RedoWriter::begin(
                *generation,
                RedoFile::make(folder, *generation, None, false).unwrap(),
                Cipher::default(),
            );
            for (key, value) in *rows {
                writer.append(&[row(*key, *value)]);
            }
            if *sealed {
                writer.seal();
            }
            let write = writer.take(Vec::new());
            end = write.end;
            write.carry_out(true).unwrap();
        }
        end
    }

    #[test]
    fn generations_are_replayed_in_order_and_as_far_as_they_were_written() {
        let temp = tempfile::tempdir().unwrap();
        let end = write(temp.path(), &[(9, &[(1, 1), (2, 1)], true), (10, &[(2, 2), (3, 2)], false)]);
        let redo = Redo::read(temp.path(), Some(end), &Cipher::default()).unwrap();
        assert_eq!((redo.damage.as_deref(), redo.next_generation), (None, 11));
        assert_eq!([1, 2, 3].map(|key| value(&redo, key)), [Some(1), Some(2), Some(2)]);
        // The last entry was not synced and is torn.
        let path = path_of(temp.path(), 10);
        let mut file = fs::read(&path).unwrap();
        let last = usize::try_from(end.bytes).unwrap() - 1;
        file[last] ^= 1;
        fs::write(&path, file).unwrap();
        let synced = Position { bytes: end.bytes / 2, ..end };
        let redo = Redo::read(temp.path(), Some(synced), &Cipher::default()).unwrap();
        assert_eq!((redo.damage.as_deref(), value(&redo, 2), value(&redo, 3)), (None, Some(2), None));
        // It was synced and is damaged.
        assert!(Redo::read(temp.path(), Some(end), &Cipher::default()).unwrap().damage.is_some());
    }

    #[test]
    fn damage_is_found_and_what_stands_behind_it_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let end = write(temp.path(), &[(1, &[(1, 1), (2, 1), (3, 1)], false)]);
        let path = path_of(temp.path(), 1);
        let whole = fs::read(&path).unwrap();
        let length = usize::try_from(end.bytes).unwrap() / 3;
        for at in 0..usize::try_from(end.bytes).unwrap() {
            let mut file = whole.clone();
            file[at] ^= 16;
            fs::write(&path, file).unwrap();
            let redo = Redo::read(temp.path(), Some(end), &Cipher::default()).unwrap();
            assert!(redo.damage.unwrap().contains(&format!("at byte {},", at / length * length)), "byte {at}");
            let read = (1..=3).filter(|key| redo.rows.rows(Table::Due).contains_key(&[*key][..])).count();
            assert_eq!(read, 2, "byte {at}");
        }
        fs::remove_file(path).unwrap();
        assert!(Redo::read(temp.path(), Some(end), &Cipher::default()).unwrap().damage.unwrap().contains("is missing"));
        assert!(
            Redo::read(temp.path(), Some(Position { bytes: 0, ..end }), &Cipher::default()).unwrap().damage.is_none()
        );
    }

    #[test]
    fn a_file_that_is_used_again_holds_nothing_of_its_old_generation() {
        let temp = tempfile::tempdir().unwrap();
        write(temp.path(), &[(1, &[(1, 1), (2, 1), (3, 1)], true), (2, &[(4, 1)], true)]);
        let mut writer =
            RedoWriter::begin(3, RedoFile::make(temp.path(), 3, Some(1), false).unwrap(), Cipher::default());
        writer.append(&[row(5, 3)]);
        let write = writer.take(Vec::new());
        let end = write.end;
        write.carry_out(true).unwrap();
        let redo = Redo::read(temp.path(), Some(end), &Cipher::default()).unwrap();
        assert_eq!((redo.damage.as_deref(), redo.rows.len()), (None, 2));
        assert_eq!([1, 4, 5].map(|key| value(&redo, key)), [None, Some(1), Some(3)]);
    }

    #[test]
    fn a_generation_that_has_not_ended_is_damaged_if_a_later_one_was_synced() {
        let temp = tempfile::tempdir().unwrap();
        let end = write(temp.path(), &[(1, &[(1, 1)], false), (2, &[(2, 1)], false)]);
        assert!(Redo::read(temp.path(), Some(end), &Cipher::default()).unwrap().damage.is_some());
        // This is the state after an opening that was interrupted before it removed the file.
        assert!(
            Redo::read(temp.path(), Some(Position { bytes: 0, ..end }), &Cipher::default()).unwrap().damage.is_none()
        );
    }
}
