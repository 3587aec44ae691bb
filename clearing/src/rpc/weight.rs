//! What a call is thought to take, before it is heard: by its method.

use crate::door::body::Shape;
use crate::rpc::{BATCH_BYTES_MAX, INVITES_BYTES_MAX, MESSAGE_BYTES_MAX};

/// A request of one operation with its answer, decoded and decided.
const SMALL: usize = 8 << 10;
/// A page of rows, or a report, while it is made. What it really takes is counted when it is there.
const PAGE: usize = 256 << 10;
/// What a byte of a batch takes: the bytes, the items read from them, the requests made of these, what the writer makes of
/// them, and the answers. Measured, of batches of 8,000 issues.
const OF_BATCH: usize = 7;

/// The shape of a call.
pub fn shape(method: &str) -> Shape {
    let name = method.rsplit('/').next().unwrap_or_default();
    let (bytes, bytes_per_byte, streams) = match name {
        "BatchIssuePoints" => (SMALL, OF_BATCH, false),
        "StreamIssuePoints" => (SMALL, OF_BATCH, true),
        "ServerReflectionInfo" | "Watch" => (SMALL, 1, true),
        "GetStatement" | "ExplainLeg" | "FindReceipt" | "FindEntries" | "ReconcileDay" | "TrialBalance"
        | "NettingReport" | "PreviewSettlement" | "ExportOrders" | "DecayMembers" => (PAGE, 1, false),
        page if page.starts_with("List") => (PAGE, 1, false),
        _ => (SMALL, 1, false),
    };
    // Whoever watches its health does so until it is gone.
    let awaited = !method.starts_with("/grpc.");
    let message_bytes_max = match name {
        _ if bytes_per_byte == OF_BATCH => BATCH_BYTES_MAX,
        // A thousand of them, each with its device.
        "CreateInvites" => INVITES_BYTES_MAX,
        _ => MESSAGE_BYTES_MAX,
    };
    Shape { bytes, bytes_per_byte, message_bytes_max, streams, awaited }
}

impl Shape {
    /// Whether a call of this shape is answered in the backroom.
    pub(super) fn is_dear(&self) -> bool {
        !self.streams && (self.bytes == PAGE || self.bytes_per_byte == OF_BATCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_that_stream_are_those_of_the_wire_interface() {
        use prost::Message;
        for set in [clearing_proto::FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET] {
            let set = prost_types::FileDescriptorSet::decode(set).expect("well formed");
            for method in set.file.iter().flat_map(|file| &file.service).flat_map(|service| &service.method) {
                let streams = method.server_streaming() || method.client_streaming();
                assert_eq!(shape(&format!("/any.Service/{}", method.name())).streams, streams, "{}", method.name());
            }
        }
    }
}
