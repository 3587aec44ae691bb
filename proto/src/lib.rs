//! The wire interface of the clearing house, package `coalition.clearing.v1`: messages, clients and servers, generated
//! from the `.proto` files beside this crate's `src`.
//!
//! The generated code is checked in, so that a build needs neither `protoc` nor the files themselves. After a change to
//! a `.proto` file run
//!
//! ```text
//! cargo run -p clearing-proto --example regenerate
//! ```
//!
//! A test fails while the code and the files differ. This crate adds nothing of its own but buffers that fit small messages
//! ([`Codec`]): what a message means stands in its comments, and what is done with it is the business of the server's
//! `rpc::convert` and of the SDK.

mod codec;

pub use codec::Codec;

/// Package `coalition.clearing.v1`. The only version there is.
#[path = "gen"]
pub mod v1 {
    #![allow(
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        rustdoc::all,
        reason = "generated code: its style is that of the generator, and its comments are those of the .proto files, \
                  written for readers in every language"
    )]

    #[path = "coalition.clearing.v1.rs"]
    #[rustfmt::skip]
    mod generated;
    pub use generated::*;
}

/// The compiled `.proto` files, all that they import included: what server reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("../descriptor.bin");
