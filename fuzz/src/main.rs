//! Runs one of the parsers under libFuzzer; `PARSER` in the environment names it. A run that
//! retains more than 64 MiB counts as a crash.

#![no_main]

// with a path, so that its modules are found here, as by the tests that also include it
#[path = "parsers.rs"]
mod parsers;

use std::alloc::System;
use std::sync::OnceLock;

use cap::Cap;
use libfuzzer_sys::fuzz_target;

const MOST_MEMORY: usize = 64 * 1024 * 1024;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

static PARSER: OnceLock<parsers::Parser> = OnceLock::new();

fuzz_target!(init: {
    let name = std::env::var("PARSER").expect("PARSER names one of fuzz/corpus");
    let parser = parsers::PARSERS.into_iter().find(|(known, _)| *known == name);
    let (_, parser) = parser.expect("PARSER names one of fuzz/corpus");
    // Memory that is allocated once does not count.
    parser(b"");
    PARSER.set(parser).expect("once");
}, |data: &[u8]| {
    MEMORY.set_limit(MEMORY.allocated() + MOST_MEMORY).expect("more than is held");
    PARSER.get().expect("set at the start")(data);
});
