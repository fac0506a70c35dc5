//! Attributes and values: what the server takes, a client reads; what a client writes is never refused for how it is written; a change is
//! what it would be with a map. The attributes of a sealed session, once opened, have one form.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::values(input));
