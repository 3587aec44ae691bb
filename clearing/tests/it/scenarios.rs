//! The acceptance scenarios through the SDK over mTLS, on both databases.

use clearing::scenario::player::play;
use clearing::scenario::{Scenario, Variant};

use crate::house::{BACKENDS, Backend, TestHouse, scenario_dir};
use crate::sdk_stage::SdkStage;

/// The scenarios that this release plays. `own/O06` is left to the rules alone: nobody sets a partner's state to EXITED.
pub const PLAYED: [&str; 12] =
    ["S01", "S05", "S10", "S10b", "S11a", "S11b", "S20", "own/O01", "own/O02", "own/O03", "own/O04", "own/O05"];

pub fn read(name: &str) -> Scenario {
    let file = std::fs::read_to_string(scenario_dir().join(format!("{name}.toml"))).unwrap();
    Scenario::parse(&file).unwrap()
}

async fn play_through_the_sdk(backend: Backend, name: &str, variant: Variant) {
    let scenario = read(name);
    let house = scenario.house.to_house(&scenario.id, variant).unwrap();
    let test = TestHouse::open(backend, &house, scenario.house.coalition.start).await;
    let mut stage = SdkStage::new(&test, house.partners.keys().copied()).await;
    if let Err(problem) = play(&scenario, variant, &mut stage).await {
        panic!("{backend:?}: {problem}");
    }
    drop(stage);
    test.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenarios_play_to_the_last_unit_through_the_sdk_over_mtls() {
    for backend in BACKENDS {
        for name in PLAYED {
            for variant in read(name).variants {
                play_through_the_sdk(backend, name, variant).await;
            }
        }
    }
}
