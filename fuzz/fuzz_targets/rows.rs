//! Stored rows and keys. What was read is the same once it was written again; both encoders of records and events write the same; a
//! record in parts is the record; clients can read a session made of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::rows(input));
