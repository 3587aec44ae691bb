//! Writes down the migrations of both databases:
//!
//! ```text
//! cargo run -p clearing --example migrations
//! ```

use clearing::store::{Backend, migrations};

fn main() -> std::io::Result<()> {
    for (backend, folder) in [(Backend::Sqlite, "sqlite"), (Backend::Postgres, "postgres")] {
        for (file, text) in migrations(backend) {
            std::fs::write(format!("{}/../migrations/{folder}/{file}", env!("CARGO_MANIFEST_DIR")), text)?;
        }
    }
    Ok(())
}
