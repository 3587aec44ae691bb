//! The acceptance scenarios through the SDK over mTLS and on the writer, on both databases.

use std::collections::BTreeSet;

use clearing::coalition_file::Variant;
use clearing_play::player::play;
use clearing_play::scenario::Scenario;

use clearing_play::sdk_stage::SdkStage;
use clearing_play::writer_stage::WriterStage;
use clearing_play::{Backend, Database, TestHouse};

/// Nobody sets a partner's state to EXITED by the SDK.
const NOT_BY_THE_SDK: &str = "own/O06";

/// How many lots stay in the row of a member: most often all of them, or hardly any.
const LOTS_IN_ROW: [usize; 2] = [32, 2];

async fn play_through_the_sdk(backend: Backend, name: &str, variant: Variant) -> Result<(), String> {
    let scenario = Scenario::read(name);
    let house = scenario.house.to_house(&scenario.id, variant).unwrap();
    let test = TestHouse::open(backend, &house, scenario.house.start().unwrap()).await;
    let people = scenario.steps.iter().filter_map(|step| step.by.person);
    let stage = SdkStage::new(&test, house.partners.keys().copied()).await;
    let mut stage = stage.with_people(&test, people.collect::<BTreeSet<_>>().into_iter()).await;
    let played = play(&scenario, variant, &mut stage).await;
    stage.check_statements().await.unwrap();
    drop(stage);
    test.end().await;
    played.map_err(|problem| told(backend, &problem))
}

/// A problem with all that is beneath it.
fn told(backend: Backend, problem: &dyn std::error::Error) -> String {
    let beneath = std::iter::successors(problem.source(), |error| error.source());
    let causes: Vec<String> = beneath.map(ToString::to_string).collect();
    format!("{backend:?}: {problem} {}", causes.join(": "))
}

async fn play_all_through_the_sdk(backend: Backend) {
    let mut broken = Vec::new();
    for name in Scenario::names().iter().filter(|name| *name != NOT_BY_THE_SDK) {
        for variant in Scenario::read(name).variants {
            broken.extend(play_through_the_sdk(backend, name, variant).await.err());
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// The same without SDK and network: what differs here was loaded or saved wrongly.
async fn play_all_on_the_writer(backend: Backend, lots_in_row: usize) {
    let mut broken = Vec::new();
    for name in Scenario::names() {
        let scenario = Scenario::read(&name);
        for variant in scenario.variants.clone() {
            let house = scenario.house.to_house(&scenario.id, variant).unwrap();
            let database = Database::new(backend).await;
            let store = database.found(&house, scenario.house.start().unwrap()).await.with_lots_in_row(lots_in_row);
            let mut stage = WriterStage::new(store, scenario.house.start().unwrap());
            let played = play(&scenario, variant, &mut stage).await;
            drop(stage);
            database.audit().await;
            database.remove().await;
            broken.extend(played.map_err(|problem| told(backend, &problem)).err());
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// A test for each back end: each takes minutes where the machine has other things to do.
macro_rules! on_both {
    ($($module:ident $backend:ident)*) => {
        $(mod $module {
            use clearing_play::Backend;

            #[tokio::test(flavor = "multi_thread")]
            async fn the_scenarios_play_to_the_last_unit_through_the_sdk_over_mtls() {
                super::play_all_through_the_sdk(Backend::$backend).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn the_scenarios_play_to_the_last_unit_on_the_writer() {
                super::play_all_on_the_writer(Backend::$backend, super::LOTS_IN_ROW[0]).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn the_scenarios_play_to_the_last_unit_on_the_writer_with_lots_beside_the_members_rows() {
                super::play_all_on_the_writer(Backend::$backend, super::LOTS_IN_ROW[1]).await;
            }
        })*
    };
}

on_both! { sqlite Sqlite postgres Postgres }
