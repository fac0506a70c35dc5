//! The access file, the token file, and the header `authorization`: a file is refused in one line or stands for rules; a token file
//! that can be read is the same once a token was added and taken away; no header lets anybody in without a token of the file.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::access(input));
