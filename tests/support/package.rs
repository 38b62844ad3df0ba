//! The Debian package: packed by `cargo deb` from the binary under test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The version that is there, and one that takes its place.
pub const VERSIONS: [&str; 2] =
    [concat!(env!("CARGO_PKG_VERSION"), "-1"), concat!(env!("CARGO_PKG_VERSION"), "-2")];

/// The packages of both versions; `None`, told loudly, where cargo-deb is missing. Under CI it must be there.
pub fn packages() -> Option<[PathBuf; 2]> {
    static PACKED: OnceLock<bool> = OnceLock::new();
    let files = VERSIONS
        .map(|version| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("headcount_{version}.deb")));
    let packed = || VERSIONS.iter().zip(&files).all(|(version, file)| pack(version, file));
    PACKED.get_or_init(packed).then_some(files)
}

/// As `cargo deb` does, but for the build: what is packed is the binary under test, stripped as a release is.
fn pack(version: &str, file: &Path) -> bool {
    let built = Path::new(env!("CARGO_BIN_EXE_headcount")).parent().unwrap();
    let profile = if built.ends_with("debug") { "dev" } else { "release" };
    let output = Command::new("cargo-deb")
        .args([
            "deb",
            "--no-build",
            "--profile",
            profile,
            "--no-dbgsym",
            "--strip",
            "--fast",
            "--locked",
            "--offline",
        ])
        .args(["--deb-version", version, "--output"])
        .arg(file)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "CI must have cargo-deb: {error}");
            std::io::stderr().write_all(b"SKIPPED: `cargo install cargo-deb --locked` is missing\n").unwrap();
            false
        }
    }
}
