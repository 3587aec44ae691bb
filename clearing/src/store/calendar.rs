//! The calendar by which windows close.

use clearing_core::facts::coalition::Calendar;
use clearing_core::units::{Timestamp, WindowNumber};

use super::cells::Row;
use super::journal::no_coalition;
use super::sql::{Link, Sql, rows};
use super::tables::{CALENDAR, Column, GATE};
use super::{Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&THE_CALENDAR, &UPSERT_CALENDAR, &SCHEDULE];

const IN_FORCE: &[Column] = &[CALENDAR.crons, CALENDAR.time_zone, CALENDAR.set_at];

static THE_CALENDAR: Sql = Sql::both("store.calendar", "SELECT {calendar} FROM calendar").gives(IN_FORCE);

/// The calendar in force, and since when, if one was ever set.
pub(super) async fn calendar(link: &mut Link<'_>) -> Result<Option<(Calendar, Timestamp)>, StoreError> {
    let call = link.call(&THE_CALENDAR);
    link.row(call, in_force).await
}

fn in_force(row: &Row<'_>) -> Result<(Calendar, Timestamp), StoreError> {
    let cut_offs = serde_json::from_str(row.text(CALENDAR.crons)?);
    let cut_offs = cut_offs.map_err(|error| StoreError::damaged("the calendar", error))?;
    let time_zone = row.text(CALENDAR.time_zone)?.to_owned();
    Ok((Calendar { cut_offs, time_zone }, row.time(CALENDAR.set_at)?))
}

static UPSERT_CALENDAR: Sql = Sql::both("store.upsert_calendar", "{upsert k}").takes(&[rows("k", CALENDAR.all)]);

/// Writes a calendar that is in force from now on.
pub(super) async fn save(link: &mut Link<'_>, calendar: &Calendar, now: Timestamp) -> Result<(), StoreError> {
    let crons = serde_json::to_string(&calendar.cut_offs).expect("texts become JSON");
    let mut row = link.row_set(CALENDAR.all);
    row.int(CALENDAR.id, 1).text(CALENDAR.crons, &crons);
    row.text(CALENDAR.time_zone, &calendar.time_zone).int(CALENDAR.set_at, now.0);
    link.write(&UPSERT_CALENDAR, row).await
}

/// By what the open window closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub open_window: WindowNumber,
    pub opened: Timestamp,
    pub calendar: Calendar,
    /// When the calendar was set: it has no cut-offs before that.
    pub calendar_since: Timestamp,
}

static SCHEDULE: Sql =
    Sql::both("store.schedule", "SELECT {gate g}, {calendar c} FROM gate AS g LEFT JOIN calendar AS c ON c.id = 1")
        .gives(&[GATE.window_number, GATE.opened_at, CALENDAR.crons, CALENDAR.time_zone, CALENDAR.set_at]);

impl Store {
    /// By what the open window closes, as one statement sees it.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn schedule(&self) -> Result<Schedule, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&SCHEDULE);
        let schedule = |row: &Row<'_>| {
            let (calendar, calendar_since) = match row.text_or_null(CALENDAR.crons)? {
                Some(_) => in_force(row)?,
                None => (Calendar::default(), Timestamp(i64::MIN)),
            };
            let (open_window, opened) = (row.small(GATE.window_number)?, row.time(GATE.opened_at)?);
            Ok(Schedule { open_window, opened, calendar, calendar_since })
        };
        link.row(call, schedule).await?.ok_or_else(no_coalition)
    }
}
