use super::super::Database;
use super::*;
use crate::engine::durable::table::Table;
use std::collections::BTreeMap;

/// What the table should hold: keys, and contents without headers.
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Changes, as in a layer.
type Changes = BTreeMap<Key, Option<Bytes>>;

/// A source of numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn table() -> LeafTable {
    LeafTable::new(Database::temporary().table(Table::Members, "members").unwrap())
}

fn key(number: u64) -> Vec<u8> {
    [&b"namespace\0"[..], &number.to_be_bytes()].concat()
}

fn row(payload: &[u8]) -> Bytes {
    codec::encode_payload(payload)
}

/// Changes of random rows: most are put, or most are removed.
fn changes(random: &mut Random, count: u64, puts: u64, of: u64) -> Changes {
    let one = |_| {
        let payload = vec![7; usize::try_from(random.below(3) * 4).unwrap()];
        let key = key(random.below(of));
        (key.into(), (random.below(10) < puts).then(|| row(&payload)))
    };
    (0..count).map(one).collect()
}

fn apply(model: &mut Model, changes: &Changes) {
    for (key, row) in changes {
        match row {
            Some(row) => drop(model.insert(key.to_vec(), codec::payload(row.clone()).unwrap().to_vec())),
            None => drop(model.remove(&key[..])),
        }
    }
}

fn write_back(table: &LeafTable, changes: &Changes) {
    table.write_back(changes.iter(), |wrote| wrote.map(drop)).unwrap();
}

fn read(table: &LeafTable, range: &Range, direction: Direction) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = table.range(range, direction).map(Result::unwrap);
    rows.map(|(key, row)| (key.to_vec(), codec::payload(row).unwrap().to_vec())).collect()
}

fn all() -> Range {
    (Bound::Unbounded, Bound::Unbounded)
}

fn check(table: &LeafTable, model: &Model, random: &mut Random, of: u64) {
    let expected: Vec<_> = model.clone().into_iter().collect();
    assert_eq!(read(table, &all(), Direction::Up), expected);
    for _ in 0..8 {
        let (from, to) = (key(random.below(of)), key(random.below(of)));
        let found = table.get(&from).unwrap().map(|row| codec::payload(row).unwrap().to_vec());
        assert_eq!(found.as_ref(), model.get(&from));
        if from >= to {
            continue;
        }
        for range in [
            (Bound::Included(from.clone()), Bound::Excluded(to.clone())),
            (Bound::Excluded(from.clone()), Bound::Included(to.clone())),
            (Bound::Unbounded, Bound::Included(to.clone())),
            (Bound::Included(from.clone()), Bound::Unbounded),
        ] {
            let mut expected: Vec<_> =
                model.range(range.clone()).map(|(key, payload)| (key.clone(), payload.clone())).collect();
            let range = (range.0.map(Key::from), range.1.map(Key::from));
            assert_eq!(read(table, &range, Direction::Up), expected, "{range:?}");
            expected.reverse();
            assert_eq!(read(table, &range, Direction::Down), expected, "{range:?}");
        }
    }
}

#[test]
fn rows_are_found_however_they_came_and_went() {
    for of in [10, 500, 50_000] {
        let (table, mut model, mut random) = (table(), Model::new(), Random(of));
        for round in 0..30 {
            // It grows, and then it shrinks.
            let puts = if round < 20 { 8 } else { 1 };
            let count = 1 + random.below(of.min(1_000));
            let changes = changes(&mut random, count, puts, of);
            write_back(&table, &changes);
            apply(&mut model, &changes);
            check(&table, &model, &mut random, of);
        }
        // A write-back that was interrupted is repeated.
        let last = changes(&mut random, 500, 5, of);
        (0..2).for_each(|_| write_back(&table, &last));
        apply(&mut model, &last);
        check(&table, &model, &mut random, of);
    }
}

#[test]
fn leaves_are_neither_large_nor_many() {
    let (table, mut random) = (table(), Random(1));
    let leaves = || table.stored.range(&all(), Direction::Up).map(|leaf| leaf.unwrap().1.len()).collect::<Vec<_>>();
    for begin in (0..5_000).step_by(250) {
        let new = (begin..begin + 250).map(|number| (Key::from(key(number)), Some(row(b""))));
        write_back(&table, &new.collect());
    }
    let appended = leaves();
    assert!(appended.len() < 40, "{appended:?}");
    for _ in 0..20 {
        write_back(&table, &changes(&mut random, 500, 9, 200_000));
    }
    let grown = leaves();
    assert!(grown.iter().all(|bytes| *bytes <= MAX_BYTES + 64), "{grown:?}");
    // Far more removals between two leaves than one change takes.
    write_back(&table, &(0..200_000).map(|number| (Key::from(key(number)), None)).collect());
    assert_eq!(leaves().len(), 1);
    assert_eq!(read(&table, &all(), Direction::Up), []);
}

#[test]
fn a_crash_between_two_steps_loses_no_row_and_brings_none_back() {
    let mut random = Random(3);
    for round in 0..100 {
        let of = 600;
        let (table, mut model) = (table(), Model::new());
        let first = changes(&mut random, 500, 9, of);
        write_back(&table, &first);
        apply(&mut model, &first);
        let second = changes(&mut random, 100, if round % 2 == 0 { 10 } else { 0 }, of);
        // Only some of the steps are carried out.
        let mut rows = second.iter().peekable();
        let mut left = random.below(12);
        while left > 0
            && let Some((key, _)) = rows.peek()
        {
            let mut steps = table.plan(table.span_of(key).unwrap(), &mut rows).unwrap();
            let whole = steps.len() as u64 <= left;
            steps.truncate(usize::try_from(left).unwrap());
            left -= steps.len() as u64;
            table.carry_out(steps).unwrap();
            if !whole {
                break;
            }
        }
        let mut changed = model.clone();
        apply(&mut changed, &second);
        let found: Model = read(&table, &all(), Direction::Up).into_iter().collect();
        for key in (0..of).map(key) {
            let got = table.get(&key).unwrap().map(|row| codec::payload(row).unwrap().to_vec());
            assert_eq!(got.as_ref(), found.get(&key));
            assert!(got.as_ref() == model.get(&key) || got.as_ref() == changed.get(&key), "{key:?}");
        }
        // The next start repeats all of it and goes on. The rows that were left over do not come back.
        write_back(&table, &second);
        apply(&mut model, &second);
        check(&table, &model, &mut random, of);
        let third = changes(&mut random, 500, 0, of);
        write_back(&table, &third);
        apply(&mut model, &third);
        check(&table, &model, &mut random, of);
    }
}

#[test]
fn rows_of_older_versions_are_leaves() {
    let (table, mut model, mut random) = (table(), Model::new(), Random(5));
    for number in (0..2_000).step_by(3) {
        table.stored.insert(&key(number), &row(b"old")).unwrap();
        model.insert(key(number), b"old".to_vec());
    }
    check(&table, &model, &mut random, 2_000);
    for _ in 0..20 {
        let changes = changes(&mut random, 100, 6, 2_000);
        write_back(&table, &changes);
        apply(&mut model, &changes);
        check(&table, &model, &mut random, 2_000);
    }
    assert!(table.stored.len() < 400, "{} rows", table.stored.len());
}

#[test]
fn a_change_is_bounded() {
    let table = table();
    let new: Changes = (0..50_000).map(|number| (Key::from(key(number)), Some(row(b"")))).collect();
    let mut most = 0;
    let wrote = |wrote: Result<usize, EngineError>| wrote.map(|bytes| most = bytes.max(most));
    table.write_back(new.iter(), wrote).unwrap();
    assert!(most < 2 * CHANGE_BYTES, "{most} bytes");
}

#[test]
fn readers_miss_no_row_that_moves() {
    let table = table();
    let fixed: Changes = (0..3_000).step_by(3).map(|number| (Key::from(key(number)), Some(row(b"")))).collect();
    write_back(&table, &fixed);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for direction in [Direction::Up, Direction::Down] {
            let (table, done) = (table.clone(), &done);
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let keys = read(&table, &all(), direction).into_iter().filter(|(_, payload)| payload.is_empty());
                    assert_eq!(keys.count(), 1_000);
                    assert!(table.get(&key(1_500)).unwrap().is_some());
                }
            });
        }
        for round in 0..60 {
            let others = (0..3_000).filter(|number| number % 3 > 0);
            let row = (round % 2 == 0).then(|| row(b"comes and goes"));
            write_back(&table, &others.map(|number| (Key::from(key(number)), row.clone())).collect());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
