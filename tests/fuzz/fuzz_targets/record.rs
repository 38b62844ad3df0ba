//! Bytes of a stream become records or nothing, never a panic; what decodes encodes to the same bytes
//! and back to the same record.
//!
//! A fuzzer does not guess checksums, so the input is also taken as the body of a record with a
//! checksum made for it.
#![no_main]

use headcount::journal::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    walk(input);
    let Ok(length) = u16::try_from(input.len()) else { return };
    let length = length.to_le_bytes();
    let checksum = checksum(&[&length, input]);
    walk(&[&length, &checksum.to_le_bytes()[..], input].concat());
});

fn walk(mut bytes: &[u8]) {
    while let Some((record, length)) = decode(bytes) {
        let mut again = Vec::new();
        encode(&record, &mut again);
        let (same, whole) = decode(&again).expect("what was encoded decodes");
        assert_eq!((same, whole), (record, again.len()));
        bytes = &bytes[length..];
    }
}

/// CRC-32C, bit by bit.
fn checksum(parts: &[&[u8]]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    };
    !parts.iter().flat_map(|part| part.iter()).fold(!0, step)
}
