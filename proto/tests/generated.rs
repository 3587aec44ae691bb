//! The checked-in code is what the `.proto` files say.

mod codegen;

use std::fs;

/// The command that brings the checked-in files up to date.
const REGENERATE: &str = "cargo run -p clearing-proto --example regenerate";

/// The files that are generated, relative to the repository.
const GENERATED: [&str; 3] =
    ["proto/src/gen/coalition.clearing.v1.rs", "proto/descriptor.bin", "partner-sdk/src/gen/answers.rs"];

#[test]
fn the_generated_files_are_what_the_proto_files_say() {
    let fresh = tempfile::tempdir().unwrap();
    codegen::generate(fresh.path()).unwrap();
    for name in GENERATED {
        let want = fs::read(fresh.path().join(name)).unwrap();
        let have = fs::read(codegen::repository().join(name)).unwrap_or_default();
        assert!(have == want, "{name} does not follow from the .proto files; bring it up to date with `{REGENERATE}`");
    }
}
