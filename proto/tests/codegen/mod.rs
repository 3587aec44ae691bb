//! Compiles the `.proto` files and generates the code of this crate and the answers of the SDK, into any folder. Shared by
//! the test that compares and by the example that updates, so that both do the same.

mod answers;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;

/// The folder of this crate.
pub fn crate_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    crate_dir().parent().expect("the crate is in the repository").to_owned()
}

/// Generates the code (`proto/src/gen/`), the descriptor set (`proto/descriptor.bin`) and the SDK's answers
/// (`partner-sdk/src/gen/`) below `out`.
pub fn generate(out: &Path) -> Result<(), Box<dyn Error>> {
    let root = crate_dir();
    let mut files = Vec::new();
    for file in fs::read_dir(root.join("coalition/clearing/v1"))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    // The order of the directory is not defined, and the output follows the order of the files.
    files.sort();

    // Source information carries the comments, which become the documentation of the code.
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let mut set = compiler.file_descriptor_set();

    let code = out.join("proto/src/gen");
    fs::create_dir_all(&code)?;
    tonic_prost_build::configure()
        .out_dir(&code)
        .emit_rerun_if_changed(false)
        // Brands call and never serve, and connect by the SDK's own TLS: what they do not use they need not compile.
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .build_transport(false)
        // Ordered, so that one message always has the same bytes.
        .btree_map(".")
        .codec_path("crate::Codec")
        .compile_fds(set.clone())?;

    let sdk = out.join("partner-sdk/src/gen");
    fs::create_dir_all(&sdk)?;
    fs::write(sdk.join("answers.rs"), answers::answers(&set)?)?;

    // Reflection needs no comments, and without them the set is a third of the size.
    for file in &mut set.file {
        file.source_code_info = None;
    }
    fs::write(out.join("proto/descriptor.bin"), set.encode_to_vec())?;
    Ok(())
}
