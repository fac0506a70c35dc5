//! Settings files and variables: a problem is one line; what is taken is the same once it was shown as a file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::settings(input));
