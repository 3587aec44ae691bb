//! `partner doctor`: whether all is well between this machine and the house, one line a look.

use std::time::{Duration, Instant, SystemTime};

use partner_sdk::{CredentialFilter, CredentialFolder};
use serde_json::json;

use crate::command::Global;
use crate::credential::scopes;
use crate::failure::{Exit, Failure};
use crate::output::{Answer, moment, table};
use crate::session::builder;

/// Beyond this a till's times are refused sooner or later.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(30);
/// How many calls tell how long one takes.
const CALLS: usize = 5;

/// What was looked at, and how it is.
struct Look {
    what: &'static str,
    found: String,
    /// What to do, where it is not well.
    wrong: Option<String>,
}

/// Runs `doctor`.
pub async fn run(global: &Global) -> Result<Answer, Failure> {
    let mut looks = Vec::new();
    if let Err(failure) = look(global, &mut looks).await {
        let what = if looks.is_empty() { "credential" } else { "connection" };
        looks.push(Look { what, found: "not there".to_owned(), wrong: Some(failure.to_text()) });
    }
    let wrong = looks.iter().filter(|look| look.wrong.is_some()).count();
    let json = json!({
        "well": wrong == 0,
        "looks": looks.iter().map(|look| json!({
            "what": look.what, "found": look.found, "well": look.wrong.is_none(), "what_to_do": look.wrong,
        })).collect::<Vec<_>>(),
    });
    let rows: Vec<Vec<String>> = looks
        .iter()
        .map(|look| {
            let mark = if look.wrong.is_none() { "ok" } else { "!" };
            vec![mark.to_owned(), look.what.to_owned(), look.found.clone()]
        })
        .collect();
    let mut text = table(&["", "looked at", "found"], &rows);
    for look in looks.iter().filter(|look| look.wrong.is_some()) {
        text.push_str(&format!("! {}: {}\n", look.what, look.wrong.as_deref().unwrap_or_default()));
    }
    let answer = Answer::new(json, text);
    if wrong == 0 {
        return Ok(answer);
    }
    Ok(answer.but(Failure::new(Exit::Usage, format!("{wrong} of {} looks found something", looks.len()))))
}

async fn look(global: &Global, looks: &mut Vec<Look>) -> Result<(), Failure> {
    let folder = CredentialFolder::open(&global.credentials)?;
    looks.push(Look {
        what: "credential",
        found: format!("{} in {}, serial {}", folder.holder(), folder.path().display(), folder.serial()),
        wrong: open_to_others(&folder),
    });
    let now = machine_time();
    looks.push(Look {
        what: "certificate",
        found: format!("until {}, renewed from {} on", moment(folder.end_time()), moment(folder.renew_time())),
        wrong: if folder.has_ended() {
            Some("it has ended: `partner credential renew` renews it for 30 days after its end".to_owned())
        } else {
            folder
                .is_due()
                .then(|| "it is due: `partner credential renew`, or a program of the SDK that runs".to_owned())
        },
    });
    let begun = Instant::now();
    let client = builder(global, &folder).connect().await?;
    let connected = begun.elapsed();
    looks.push(Look {
        what: "connection",
        found: format!("{} in {} ms, TLS 1.3, both sides trust", folder.endpoint(), connected.as_millis()),
        wrong: None,
    });
    let mut times = Vec::new();
    let mut info = client.server_info().await?;
    for _ in 0..CALLS {
        let begun = Instant::now();
        info = client.server_info().await?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let half = times[CALLS / 2];
    let off = match info.server_time.duration_since(machine_time()) {
        Ok(behind) => behind,
        Err(ahead) => ahead.duration(),
    };
    let stands = info.clock_stands_still;
    looks.push(Look {
        what: "clock",
        found: if stands {
            format!("the house's stands still at {}, as a sandbox's may", moment(info.server_time))
        } else {
            format!("{} ms off that of the house", off.as_millis())
        },
        wrong: (off > CLOCK_OFF_MAX && !stands).then(|| {
            let (here, there) = (moment(now), moment(info.server_time));
            format!("this machine says {here}, the house {there}: set the clock, and let a time service keep it right")
        }),
    });
    looks.push(Look {
        what: "latency",
        found: format!(
            "{} ms for half of {CALLS} calls, {} ms at the most",
            half.as_millis(),
            times[CALLS - 1].as_millis()
        ),
        wrong: None,
    });
    let own = client.credentials(CredentialFilter::all().serial(folder.serial())).first(1).await;
    looks.push(Look {
        what: "scopes",
        found: match own {
            Ok(found) if found.is_empty() => "all (a certificate that was made by hand)".to_owned(),
            Ok(found) => scopes(&found[0].scopes),
            Err(error) => format!("the house does not tell: {error}"),
        },
        wrong: None,
    });
    let own = env!("CARGO_PKG_VERSION");
    looks.push(Look {
        what: "version",
        found: format!("house {}, interface {}, this command {own}", info.server_version, info.api_version),
        wrong: (info.api_version != "v1").then(|| "take a newer command and SDK".to_owned()),
    });
    for ending in &info.deprecations {
        looks.push(Look {
            what: "version",
            found: format!("{} will go away", ending.subject),
            wrong: Some(format!("use {} instead", ending.replacement)),
        });
    }
    Ok(())
}

/// What to do about files that others may read.
#[cfg(unix)]
fn open_to_others(folder: &CredentialFolder) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let key = folder.path().join("client.key");
    let mode = key.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let key = key.display();
        format!("{key} has mode {mode:04o}: chmod 600 {key}; if somebody may have read it, revoke the credential")
    })
}

#[cfg(not(unix))]
fn open_to_others(_: &CredentialFolder) -> Option<String> {
    None
}

#[allow(clippy::disallowed_methods, reason = "the clock that is looked at is this machine's")]
fn machine_time() -> SystemTime {
    SystemTime::now()
}
