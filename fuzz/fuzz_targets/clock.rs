//! The clock file and the sync watermark: what they say is the same once it was written again, and the time begins and goes on with it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::clock(input));
