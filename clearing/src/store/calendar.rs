//! The versions of the calendar by which windows close: the one in force, those announced, and those by which a cut-off may
//! still have to be kept. Those before are in the journal alone.

use clearing_core::facts::calendar::{Calendar, CalendarVersion, Calendars};
use clearing_core::units::{Timestamp, WindowNumber};

use super::cells::Row;
use super::journal::no_coalition;
use super::sql::{Link, Sql, rows};
use super::tables::{CALENDARS, GATE};
use super::{Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&THE_CALENDARS, &FORGET_CALENDARS, &INSERT_CALENDARS, &SCHEDULE];

static THE_CALENDARS: Sql = Sql::both("store.calendars", "SELECT {calendars} FROM calendars").gives(CALENDARS.all);

/// The versions that there are.
pub(super) async fn calendars(link: &mut Link<'_>) -> Result<Calendars, StoreError> {
    let call = link.call(&THE_CALENDARS);
    Ok(Calendars::stored(link.rows(call, version).await?))
}

fn version(row: &Row<'_>) -> Result<CalendarVersion, StoreError> {
    let calendar: Result<Calendar, _> = serde_json::from_str(row.text(CALENDARS.calendar)?);
    let calendar = calendar.map_err(|error| StoreError::damaged("a calendar", error))?;
    Ok(CalendarVersion { number: row.small(CALENDARS.number)?, effective: row.time(CALENDARS.effective_at)?, calendar })
}

static FORGET_CALENDARS: Sql = Sql::both("store.forget_calendars", "DELETE FROM calendars");
static INSERT_CALENDARS: Sql = Sql::both("store.insert_calendars", "{insert k}").takes(&[rows("k", CALENDARS.all)]);

/// Writes the versions that there are from now on. The caller has the gate alone.
pub(super) async fn save(link: &mut Link<'_>, calendars: &Calendars) -> Result<(), StoreError> {
    let call = link.call(&FORGET_CALENDARS);
    link.execute(call).await?;
    let mut row = link.row_set(CALENDARS.all);
    for version in calendars.iter() {
        let calendar = serde_json::to_string(&version.calendar).expect("a calendar becomes JSON");
        row.int(CALENDARS.number, i64::from(version.number)).int(CALENDARS.effective_at, version.effective.0);
        row.text(CALENDARS.calendar, &calendar);
    }
    link.write(&INSERT_CALENDARS, row).await
}

/// By what the open window closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub open_window: WindowNumber,
    pub opened: Timestamp,
    pub calendars: Calendars,
}

static SCHEDULE: Sql =
    Sql::both("store.schedule", "SELECT {gate g}, {calendars c} FROM gate AS g LEFT JOIN calendars AS c ON 1 = 1")
        .gives(&[GATE.window_number, GATE.opened_at, CALENDARS.number, CALENDARS.effective_at, CALENDARS.calendar]);

impl Store {
    /// By what the open window closes, as one statement sees it.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn schedule(&self) -> Result<Schedule, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&SCHEDULE);
        let one = |row: &Row<'_>| {
            let version = row.text_or_null(CALENDARS.calendar)?.is_some().then(|| version(row)).transpose()?;
            Ok((row.small(GATE.window_number)?, row.time(GATE.opened_at)?, version))
        };
        let rows: Vec<(WindowNumber, Timestamp, Option<CalendarVersion>)> = link.rows(call, one).await?;
        let (open_window, opened) =
            rows.first().map(|(window, opened, _)| (*window, *opened)).ok_or_else(no_coalition)?;
        let calendars = Calendars::stored(rows.into_iter().filter_map(|(.., version)| version).collect());
        Ok(Schedule { open_window, opened, calendars })
    }
}
