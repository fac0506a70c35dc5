//! Session IDs, handles, tickets, page tokens, resume tokens and CSRF tokens: each has one form, and no other text is as good as one
//! that was issued.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::secrets(input));
