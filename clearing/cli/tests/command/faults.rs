//! What may break about the program: it is killed, and its disk does not take what it wrote. Afterwards everything that was
//! acknowledged is there once, and everything else is there once or not at all: who asks again under the same key learns
//! which.

mod disk;
mod importing;
mod program;
mod settling;

use std::time::Duration;

use clearing_play::callers::{Answered, Callers, Heard, ask, ask_after_doubt, compare, doubts, issue};
use clearing_play::chance::chance;
use clearing_play::{PATIENCE, audit};
use rand::Rng as _;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use self::program::{BRANDS, Program};

#[tokio::test(flavor = "multi_thread")]
async fn a_house_killed_at_any_moment_has_kept_what_it_acknowledged_on_sqlite() {
    let (mut chance, seed) = chance();
    println!("seed {seed}");
    let mut program = Program::found().await;
    let mut clients = Vec::new();
    for brand in BRANDS {
        clients.push(program.client(brand).await);
    }
    let callers = Callers::start(&clients, 8);
    for _ in 0..6 {
        callers.work(40).await;
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..250))).await;
        program.kill().await;
        program.start().await;
    }
    callers.work(40).await;
    let calls = callers.stop().await;
    println!("{}", doubts(&calls));
    compare(&clients, &calls).await;
    program.kill().await;
    audit(&program.database_url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_when_the_house_was_killed_before_it_could_answer_is_there_once() {
    let mut program = Program::found().await;
    let client = program.client(BRANDS[0]).await;
    // The answers are on their way and arrive nowhere.
    program.proxy.withhold(true);
    let wanted: Vec<_> = (0..20).map(|card| (client.new_request_id(), issue(format!("{card}")))).collect();
    let mut asking = tokio::task::JoinSet::new();
    for (id, command) in wanted.clone() {
        let client = client.clone();
        asking.spawn(async move { ask(&client.with_deadline(PATIENCE), id, &command).await });
    }
    let mut reader = SqliteConnection::connect(&program.database_url()).await.unwrap();
    let durable = async {
        let count = "SELECT count(*) FROM requests WHERE partner = $1 AND state = 1";
        while sqlx::query(count).bind(BRANDS[0]).fetch_one(&mut reader).await.unwrap().get::<i64, _>(0) < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, durable).await.expect("the house commits");
    reader.close().await.unwrap();
    program.kill().await;
    program.proxy.cut();
    for heard in asking.join_all().await {
        assert!(matches!(heard, Heard::Doubt(_)), "{heard:?}");
    }
    program.proxy.withhold(false);
    program.start().await;
    let mut calls = Vec::new();
    for (id, command) in wanted {
        let (verdict, replayed) = ask_after_doubt(&client, id, &command).await;
        assert!(replayed, "{id} had been committed");
        calls.push(Answered { partner: 0, id, command, verdict, doubted: true, committed_unheard: true });
    }
    compare(&[client], &calls).await;
    program.kill().await;
    audit(&program.database_url()).await;
}
