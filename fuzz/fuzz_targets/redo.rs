//! The redo log in two generations: the rows that are read are read again once they were written.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::redo(input));
