//! The reader of backups: what it reads to the end is the same once it was written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::backup(input));
