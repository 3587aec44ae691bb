//! A disk that does not take what was written, or stands still. `strace` stands in for it: it lets calls of the house fail,
//! or last, as the kernel would.

use std::process::Stdio;

use clearing_play::callers::{Answered, Heard, ask, ask_after_doubt, ask_until_answered, compare, issue};
use clearing_play::{PATIENCE, audit};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::program::{BRANDS, Program};

/// From now on something is done to every sync of this process, until what does it ends.
async fn inject(pid: u32, what: &str) -> Child {
    let mut strace = Command::new("strace")
        .args(["-f", "-p", &pid.to_string(), "-e", "trace=fsync,fdatasync"])
        .args(["-e", &format!("inject=fsync,fdatasync:{what}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("strace is installed: `./check test` sees to it");
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines();
    let attached = async {
        while let Some(line) = said.next_line().await.unwrap() {
            if line.contains("attached") {
                return;
            }
            assert!(!line.contains("not permitted"), "{line}: this machine lets no test trace a process of its own");
        }
        panic!("strace ended");
    };
    tokio::time::timeout(PATIENCE, attached).await.expect("strace attaches");
    // It would stop at a full pipe, and the house with it.
    #[allow(clippy::disallowed_methods, reason = "it ends with strace, which ends with the house")]
    drop(tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} }));
    strace
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_whose_disk_does_not_take_a_commit_says_so_and_stops() {
    let mut program = Program::found().await;
    let client = program.client(BRANDS[0]).await;
    let before = ask_until_answered(&client, 0, client.new_request_id(), issue("1")).await;

    let mut disk = inject(program.pid(), "error=EIO").await;
    let (id, command) = (client.new_request_id(), issue("2"));
    // Whether it is known is not certain: the disk may have got it or not.
    let heard = ask(&client.with_deadline(PATIENCE), id, &command).await;
    assert!(matches!(heard, Heard::Doubt(_)), "{heard:?}");
    assert_eq!(program.ended().await, Some(5), "{}", program.log());
    tokio::time::timeout(PATIENCE, disk.wait()).await.expect("there is nothing left to trace").unwrap();
    let log = program.log();
    assert!(log.contains("the disk did not take what was written"), "{log}");

    program.start().await;
    let (verdict, replayed) = ask_after_doubt(&client, id, &command).await;
    let doubted = Answered { partner: 0, id, command, verdict, doubted: true, committed_unheard: replayed };
    compare(&[client], &[before, doubted]).await;
    program.kill().await;
    audit(&program.database_url()).await;
}

/// The writer's thread waits for the disk itself, so it is from beside it that callers are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_whose_disk_stands_still_tells_its_callers_and_goes_on_when_the_disk_does() {
    let mut program = Program::found().await;
    let client = program.client(BRANDS[0]).await;
    let before = ask_until_answered(&client, 0, client.new_request_id(), issue("1")).await;

    // Longer than anybody waits here.
    let still = format!("delay_enter={}", 4 * PATIENCE.as_micros());
    let mut disk = inject(program.pid(), &still).await;
    let (id, command) = (client.new_request_id(), issue("2"));
    let said = ask(&client.with_deadline(PATIENCE), id, &command).await.unavailable();
    assert!(said.contains("the database went away while it committed"), "{said}");
    let said = ask(&client.with_deadline(PATIENCE), client.new_request_id(), &issue("3")).await.unavailable();
    assert!(said.contains("the database cannot be reached, or does not answer"), "{said}");

    disk.kill().await.unwrap();
    let (verdict, replayed) = ask_after_doubt(&client, id, &command).await;
    let doubted = Answered { partner: 0, id, command, verdict, doubted: true, committed_unheard: replayed };
    compare(&[client], &[before, doubted]).await;
    program.kill().await;
    audit(&program.database_url()).await;
}
