//! Key files, the file that says under which keys a folder is encrypted, and encrypted rows: a problem is one line and shows no
//! key; what says which keys there are is the same once it was written again; nothing but what was encrypted decrypts.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::encryption(input));
