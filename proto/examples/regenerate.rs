//! Generates this crate's code from its `.proto` files, in place.

#[path = "../tests/codegen/mod.rs"]
mod codegen;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    codegen::generate(&codegen::crate_dir())
}
