//! The acceptance scenarios through the SDK over mTLS, on both databases.

use clearing::coalition_file::Variant;
use clearing_play::player::play;
use clearing_play::scenario::Scenario;

use clearing_play::sdk_stage::SdkStage;
use clearing_play::writer_stage::WriterStage;
use clearing_play::{BACKENDS, Backend, Database, TestHouse};

/// All scenarios; those of our own but `own/O06`: nobody sets a partner's state to EXITED.
pub const PLAYED: [&str; 29] = [
    "S01", "S03", "S04", "S04b", "S04c", "S05", "S07", "S10", "S10b", "S11a", "S11b", "S14", "S20", "own/O01",
    "own/O02", "own/O03", "own/O04", "own/O05", "own/O07", "own/O08", "own/O09", "own/O10", "own/O11", "own/O12",
    "own/O13", "own/O14", "own/O15", "own/O16", "own/O17",
];

async fn play_through_the_sdk(backend: Backend, name: &str, variant: Variant) -> Result<(), String> {
    let scenario = Scenario::read(name);
    let house = scenario.house.to_house(&scenario.id, variant).unwrap();
    let test = TestHouse::open(backend, &house, scenario.house.coalition.start).await;
    let mut stage = SdkStage::new(&test, house.partners.keys().copied()).await;
    let played = play(&scenario, variant, &mut stage).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_scenarios_play_to_the_last_unit_through_the_sdk_over_mtls() {
    let mut broken = Vec::new();
    for backend in BACKENDS {
        for name in PLAYED {
            for variant in Scenario::read(name).variants {
                broken.extend(play_through_the_sdk(backend, name, variant).await.err());
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// The same without SDK and network: what differs here was loaded or saved wrongly.
#[tokio::test(flavor = "multi_thread")]
async fn the_scenarios_play_to_the_last_unit_on_the_writer() {
    let mut broken = Vec::new();
    for backend in BACKENDS {
        for name in PLAYED.into_iter().chain(["own/O06"]) {
            let scenario = Scenario::read(name);
            for variant in scenario.variants.clone() {
                let house = scenario.house.to_house(&scenario.id, variant).unwrap();
                let database = Database::new(backend).await;
                let mut stage = WriterStage::open(&database, &house, scenario.house.coalition.start).await;
                let played = play(&scenario, variant, &mut stage).await;
                drop(stage);
                database.audit().await;
                database.remove().await;
                broken.extend(played.map_err(|problem| told(backend, &problem)).err());
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}
