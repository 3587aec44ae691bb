//! Writes down all statements as they run:
//!
//! ```text
//! cargo run -p clearing --example statements
//! ```

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/statements.sql");
    std::fs::write(path, clearing::store::listed_statements())
}
