#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lb::fuzz::chunked_body(bytes));
