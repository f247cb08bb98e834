//! Makes the `Era` enum and its presets of `eras/*.toml`, one file an era.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

#[path = "build/eras.rs"]
mod eras;

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=eras");
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            println!("cargo:error={wrong}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), String> {
    let here = env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?;
    let out = env::var("OUT_DIR").map_err(|error| error.to_string())?;
    let eras = eras::read(&Path::new(&here).join("eras"))?;
    let path = Path::new(&out).join("eras.rs");
    fs::write(&path, eras::rust(&eras)).map_err(|error| format!("{}: {error}", path.display()))
}
