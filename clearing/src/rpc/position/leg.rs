//! How the leg of a partner comes of its position.

use std::collections::BTreeMap;

use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::window::Settlement;
use clearing_core::netting::{LegOrigin, Rounding};
use clearing_core::units::{Money, PartnerId, WindowNumber};
use clearing_proto::v1;
use tonic::Status;

use super::statement::Subject;
use crate::rpc::convert::{View, from_money};
use crate::rpc::settlement::convert::{from_carried, from_leg, from_proof, leg_origins};
use crate::rpc::{Context, errors};
use crate::store::WindowRow;

/// Where one partner's leg comes from, and where all do.
struct Origins {
    of: LegOrigin,
    all: BTreeMap<PartnerId, LegOrigin>,
}

impl Context {
    /// From what a partner carried into a closed window to its leg and to what it carries on.
    pub(super) async fn leg_explained(
        &self,
        partner: PartnerId,
        number: WindowNumber,
        view: View,
    ) -> Result<v1::ExplainLegResponse, Status> {
        let row = self.window_at(number).await?;
        let settlement = row.window.settlement.as_ref().ok_or_else(|| errors::not_found("settlement", number))?;
        let (totals, _) = self.statement_totals(Subject { partner, window: &row, view }).await?;
        let moved = totals.sum().map_err(|overflow| errors::refused(&overflow.into()))?;
        // What a window opened with was kept with it; what the one before carried is asked of that one.
        let before = match number.checked_sub(1).filter(|before| *before > 0) {
            Some(before) => Some(self.window_at(before).await?),
            None => None,
        };
        let house = self.house();
        let coalition = &house.coalition;
        let Origins { of, all } = origins(&row, settlement, partner, coalition);
        let carried_in = before.as_ref().and_then(|before| {
            let Origins { of, .. } = origins(before, before.window.settlement.as_ref()?, partner, coalition);
            Some(from_carried(partner, &of, coalition))
        });
        let Rounding { floor, remainder, raised, place } = of.rounding;
        let participant = row.window.participants.get(&partner).copied().unwrap_or_default();
        let no_leg = || v1::Leg {
            partner_id: partner.to_string(),
            amount: from_money(Money::ZERO, coalition),
            due: from_money(Money::ZERO, coalition),
            state: v1::LegState::Unspecified.into(),
            covered_amount: from_money(Money::ZERO, coalition),
            cancelled_amount: from_money(Money::ZERO, coalition),
            shared_amount: from_money(Money::ZERO, coalition),
        };
        let leg = settlement.legs.get(&partner).map_or_else(no_leg, |leg| from_leg(partner, leg, coalition));
        let whole = view == View::Whole;
        let order = || v1::RoundingOrder {
            place: number_of(place),
            raised_count: number_of(all.values().filter(|other| !other.rounding.raised.is_zero()).count()),
            participant_count: number_of(all.len()),
        };
        let taken_over = all.iter().filter(|(other, origin)| !other.is_operator() && !origin.small().is_zero());
        let taken_over = taken_over.map(|(other, origin)| v1::ParticipantAmount {
            partner_id: other.to_string(),
            amount: from_money(origin.small(), coalition),
        });
        Ok(v1::ExplainLegResponse {
            partner_id: partner.to_string(),
            window: i64::from(number),
            opening: from_money(participant.opening, coalition),
            carried_in,
            moved: from_money(moved, coalition),
            position: from_money(of.position, coalition),
            minor_unit: from_money(Money(coalition.minor_unit()), coalition),
            floor: from_money(floor, coalition),
            remainder: from_money(remainder, coalition),
            raised: from_money(raised, coalition),
            rounded: from_money(of.rounding.rounded(), coalition),
            leg: Some(leg),
            carried: Some(from_carried(partner, &of, coalition)),
            rounding_order: whole.then(order),
            taken_over: if partner.is_operator() { taken_over.collect() } else { Vec::new() },
            proof: whole.then(|| from_proof(&settlement.proof, coalition)),
        })
    }

    /// A window by its number.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is none.
    async fn window_at(&self, number: WindowNumber) -> Result<WindowRow, Status> {
        let found = self.store.window_row(number).await.map_err(|error| errors::of_store(&error))?;
        found.ok_or_else(|| errors::not_found("window", number))
    }
}

/// Of a window that is closed. Who had nothing in it has an origin of nothing.
fn origins(row: &WindowRow, settlement: &Settlement, partner: PartnerId, coalition: &Coalition) -> Origins {
    let all = leg_origins(settlement, &row.window.carried(), coalition);
    Origins { of: all.get(&partner).copied().unwrap_or_default(), all }
}

fn number_of(count: usize) -> i64 {
    i64::try_from(count).expect("there are at most 10,001 participants")
}
