//! SandboxService: the clock of a sandbox. Only a sandbox offers it.

use clearing_core::rejection::Rejection;
use clearing_core::units::Timestamp;
use clearing_proto::v1;
use clearing_proto::v1::sandbox_service_server::SandboxService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::from_timestamp;
use crate::rpc::errors::Fault;
use crate::rpc::opaque::Opaque;
use crate::rpc::{Context, auth, bounds, convert, errors};
use crate::scheduler::{AdvanceError, DueWork, DueWorkKind, ScheduleError};
use crate::writer::WriteError;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl SandboxService for Service {
    async fn get_clock(&self, request: Request<v1::GetClockRequest>) -> Result<Response<v1::GetClockResponse>, Status> {
        auth::caller(&request)?;
        let clock = &self.0.clock;
        let (clock_time, stands_still) = (convert::from_timestamp(clock.now()), clock.is_manual());
        Ok(Response::new(v1::GetClockResponse { clock_time, stands_still }))
    }

    async fn advance_clock(
        &self,
        request: Request<v1::AdvanceClockRequest>,
    ) -> Result<Response<v1::AdvanceClockResponse>, Status> {
        auth::caller(&request)?;
        let to = request.into_inner().to_time.ok_or_else(|| errors::invalid("to_time", "is missing"))?;
        let to = convert::timestamp("to_time", to)?;
        let ran = self.0.scheduler.advance_to(to).await.map_err(|error| match error {
            AdvanceError::NotManual => {
                let message = "this clock runs in real time: one that stands still, and can be moved, has a sandbox that was \
                     started with --start";
                errors::broken(Fault::Unimplemented, message, None)
            }
            AdvanceError::Backwards { now } => backwards(to, now),
            AdvanceError::Due(ScheduleError::Write(error)) => errors::of_write(&error),
            AdvanceError::Due(ScheduleError::Store(error)) => errors::of_store(&error),
            AdvanceError::Due(error @ (ScheduleError::Calendar(_) | ScheduleError::CloseRefused { .. })) => {
                tracing::error!(error = &error as &dyn std::error::Error, "due work cannot run");
                errors::of_write(&WriteError::Internal)
            }
        })?;
        Ok(Response::new(advanced(self.0.clock.now(), &ran, &self.0.opaque)))
    }
}

fn backwards(to: Timestamp, now: Timestamp) -> Status {
    let rejection = Rejection::TimeOutOfRange {
        field: "to_time".to_owned(),
        time: to.to_string(),
        earliest: now.to_string(),
        latest: Timestamp::LAST.to_string(),
    };
    errors::refused(&rejection)
}

/// Pieces of due work that an answer lists, unless they fill it before.
const DUE_WORK_LISTED: usize = 1000;

fn advanced(now: Timestamp, ran: &[DueWork], opaque: &Opaque) -> v1::AdvanceClockResponse {
    let work = |work: &DueWork| {
        let (kind, window) = match work.kind {
            DueWorkKind::Close { window } => (v1::DueWorkKind::WindowClose, Some(i64::from(window))),
            DueWorkKind::Member => (v1::DueWorkKind::Member, None),
            DueWorkKind::Charges { .. } => (v1::DueWorkKind::Charge, None),
        };
        v1::DueWork {
            kind: kind.into(),
            due_time: from_timestamp(work.due),
            window,
            entry_ids: work.entries.iter().map(|entry| opaque.entry(*entry)).collect(),
        }
    };
    v1::AdvanceClockResponse {
        clock_time: from_timestamp(now),
        due_works: bounds::page(ran.iter().map(work), DUE_WORK_LISTED).0,
        due_work_count: i64::try_from(ran.len()).unwrap_or(i64::MAX),
    }
}
