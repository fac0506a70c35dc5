//! JSON of the command line: what is taken is what JSON says, and comes out of a value as it went in.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::json(input));
