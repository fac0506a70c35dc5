//! An exchange stream: its body, or messages of calls, through the decoder, the checks, the rules and an engine in memory. Each call
//! gets one reply, clients can read it, and no input makes an error that is the server's own.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sessiond::fuzzing::calls(input));
