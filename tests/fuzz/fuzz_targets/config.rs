//! Any file is a configuration or a list of problems that can be printed, never a panic.
#![no_main]

use headcount::config::{Sources, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    thread_local! {
        static DIRECTORY: tempfile::TempDir = tempfile::tempdir().expect("a directory");
    }
    let file = DIRECTORY.with(|directory| directory.path().join("headcount.toml"));
    std::fs::write(&file, input).expect("a file");
    let sources = Sources {
        file: Some(file),
        environment: vec![("HOME".to_owned(), "/nonexistent".to_owned())],
        known_languages: vec!["vi", "en"],
        ..Sources::default()
    };
    match load(&sources) {
        Ok(config) => assert!(!config.sites.is_empty()),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});
