//! InfoService: what a client may want to know before it starts.

use clearing_core::book::LOTS_PER_ENTRY_MAX;
use clearing_proto::v1;
use clearing_proto::v1::info_service_server::InfoService;
use tonic::{Request, Response, Status};

use crate::rpc::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Context, MESSAGE_BYTES_MAX, PAGE_SIZE_MAX, auth, convert};

/// See the module.
pub struct Service(pub Context);

#[tonic::async_trait]
impl InfoService for Service {
    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let caller = auth::caller(&request)?;
        let limits = convert::Limits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            batch_bytes_max: BATCH_BYTES_MAX,
            batch_items_max: BATCH_ITEMS_MAX,
            lots_per_entry_max: LOTS_PER_ENTRY_MAX,
            page_size_max: PAGE_SIZE_MAX,
        };
        Ok(Response::new(convert::server_info(&self.0.house(), limits, &caller, self.0.clock.now())))
    }
}
