//! Generates this crate's code and the SDK's answers from the `.proto` files, in place.

#[path = "../tests/codegen/mod.rs"]
mod codegen;

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    codegen::generate(&codegen::repository())
}
