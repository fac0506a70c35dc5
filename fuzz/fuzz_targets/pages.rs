//! The reader of sled's files (salvage, verify, the look before an opening): a snapshot, a watermark, and a log in small segments.
//! Rows come once and in order, and a small log never stands for many pages.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::pages(input));
