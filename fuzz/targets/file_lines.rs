#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| corio_io::fuzz::file_lines(input));
