//! The house and the command line are killed between the steps of a settlement. It goes on from there, and no step is done twice.

use std::time::Duration;

use clearing_play::sdk::Caller as _;
use clearing_play::{BACKENDS, PATIENCE};
use partner_sdk::operator::{CloseWindow, ConfirmPayment, ConfirmSettlement, ExportOrders, OrderMode};
use partner_sdk::{Client, Issue, Redeem, RequestId};
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::task::JoinSet;

use super::program::{BRANDS, Program};

/// A step of the settlement of window 1.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Close,
    Confirm,
    Export,
    Pay(String),
}

impl Step {
    /// As somebody types it.
    fn arguments(&self) -> Vec<&str> {
        match self {
            Self::Close => vec!["window", "close", "--yes"],
            Self::Confirm => vec!["settlement", "confirm", "1", "--yes"],
            Self::Export => vec!["settlement", "export", "1"],
            Self::Pay(partner) => vec!["settlement", "pay", "1", partner, "--yes"],
        }
    }

    /// As the command asks it. Nobody hears the answer.
    async fn ask_unheard(&self, operator: &Client, id: RequestId) {
        let house = operator.operator();
        let unheard = match self {
            Self::Close => {
                house.close_window(CloseWindow::now().request_id(id)).await.map(|outcome| outcome.accepted().is_ok())
            }
            Self::Confirm => {
                let request = ConfirmSettlement::of(1).request_id(id);
                house.confirm_settlement(request).await.map(|outcome| outcome.accepted().is_ok())
            }
            Self::Export => {
                let request = ExportOrders::of(1, OrderMode::Hub).request_id(id);
                house.export_orders(request).await.map(|outcome| outcome.accepted().is_ok())
            }
            Self::Pay(partner) => {
                let request = ConfirmPayment::hub(1, partner).request_id(id);
                house.confirm_payment(request).await.map(|outcome| outcome.accepted().is_ok())
            }
        };
        assert!(!matches!(unheard, Ok(true)), "{self:?} was heard");
    }
}

/// When the house dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    /// When the step was answered.
    Answered,
    /// When it was committed, and before anybody heard of it.
    Unheard,
}

/// Every brand owes something to another, the second prepays, and fees need rounding.
async fn trade(program: &Program) {
    let mut brands = Vec::new();
    for brand in BRANDS {
        brands.push(program.client(brand).await);
    }
    for (at, brand) in brands.iter().enumerate() {
        let card = format!("{at}");
        brand.client().issue(Issue::to("card", &card).points(10_007)).await.unwrap().accepted().unwrap();
        for (other, points) in [(1, 1_009), (2, 303)] {
            let acceptor = brands[(at + other) % brands.len()].client();
            acceptor.redeem(Redeem::from("card", &card).points(points)).await.unwrap().accepted().unwrap();
        }
    }
}

/// An answer, but for whether it was given before.
fn lasting(answer: &Value) -> Value {
    let mut answer = answer.clone();
    let mut open = vec![&mut answer];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                fields.remove("replayed");
                open.extend(fields.values_mut());
            }
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    answer
}

/// Does a step under an id of its own, lets the house die, and does it again under that id: it was done once, and says what it said.
async fn through(program: &mut Program, step: &Step, dies: Dies) -> Value {
    let operator = program.operator().await;
    let id = operator.new_request_id();
    let text = id.to_string();
    let arguments = [step.arguments(), vec!["--request-id", &text]].concat();
    let answered = match dies {
        Dies::Answered => Some(program.json(&arguments).await),
        Dies::Unheard => {
            // What is asked goes through, what is answered does not.
            operator.server_info().await.unwrap();
            let query = "SELECT count(*) FROM requests";
            let before = program.number(query).await;
            program.proxy.withhold(true);
            let (step, operator) = (step.clone(), operator.clone());
            let mut asking = JoinSet::new();
            asking.spawn(async move { step.ask_unheard(&operator, id).await });
            let committed = async {
                while program.number(query).await == before {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::time::timeout(PATIENCE, committed).await.expect("the house commits");
            program.kill().await;
            program.proxy.cut();
            asking.join_next().await.expect("it is asked").unwrap();
            program.proxy.withhold(false);
            program.start().await;
            None
        }
    };
    if let Some(answered) = &answered {
        program.kill().await;
        program.start().await;
        let again = program.json(&arguments).await;
        assert_eq!(lasting(&again), lasting(answered), "{step:?}");
    }
    let again = program.json(&arguments).await;
    let replayed = [&again["replayed"], &again["payment"]["replayed"]];
    assert!(replayed.contains(&&json!(true)), "{step:?}: {again}");
    again
}

/// The settlement of window 1 is over: each leg was paid once, and the settlement account holds nothing but what the funds gave.
async fn settled(program: &Program) {
    let settlement = program.json(&["settlement", "preview", "1"]).await;
    assert_eq!(settlement["settlement_state"], "SETTLED", "{settlement}");
    let legs = settlement["legs"].as_array().unwrap().len();
    assert!(legs >= BRANDS.len(), "{settlement}");
    let payments = program.json(&["settlement", "orders", "1"]).await["payments"].as_array().unwrap().len();
    assert_eq!(payments, legs, "each leg is paid once");
    assert_eq!(program.number("SELECT count(*) FROM windows").await, 2, "one window was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_goes_on_whenever_the_house_is_killed_between_two_of_its_steps() {
    for backend in BACKENDS {
        for dies in [Dies::Answered, Dies::Unheard] {
            let mut program = Program::found_on(backend).await;
            trade(&program).await;
            let closed = through(&mut program, &Step::Close, dies).await;
            assert_eq!(closed["open_window"], 2, "{backend:?}, {dies:?}: {closed}");
            through(&mut program, &Step::Confirm, dies).await;
            // First what comes in, then what that lets out.
            for _ in ["in", "out"] {
                let exported = through(&mut program, &Step::Export, dies).await;
                let other = program.json(&["settlement", "export", "1"]).await;
                assert_eq!(other["csv"], exported["csv"], "the same bytes, under another id too");
                let orders = exported["orders"].as_array().unwrap().iter().filter(|order| order["paid"] == false);
                for order in orders {
                    let ends = [&order["payer"], &order["payee"]].map(|end| end.as_str().unwrap());
                    let partner = ends.into_iter().find(|end| *end != "hub").unwrap();
                    through(&mut program, &Step::Pay(partner.to_owned()), dies).await;
                }
            }
            settled(&program).await;
            program.end().await;
        }
    }
}

/// Waits until so many legs are paid, or the command has ended.
async fn paid_or_ended(program: &Program, legs: i64, command: &mut Child) {
    let paid = async {
        let query = "SELECT count(*) FROM legs WHERE due = 0";
        while program.number(query).await < legs && command.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, paid).await.expect("the house records payments");
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_that_were_broken_off_by_a_kill_are_gone_on_with_and_none_is_recorded_twice() {
    for backend in BACKENDS {
        // The command is killed, then the house under the command.
        for house in [false, true] {
            let mut program = Program::found_on(backend).await;
            trade(&program).await;
            for step in [Step::Close, Step::Confirm, Step::Export] {
                program.json(&step.arguments()).await;
            }
            let all = ["settlement", "pay", "1", "--all", "--yes"];
            for legs in [1, 2] {
                let mut command = program.begin(&[&all[..], &["--set", "client.deadline_seconds=2"]].concat());
                paid_or_ended(&program, legs, &mut command).await;
                if house {
                    program.kill().await;
                    program.start().await;
                } else {
                    // It may have ended.
                    let _ = command.start_kill();
                }
                let ended = tokio::time::timeout(PATIENCE, command.wait()).await.expect("it ends").unwrap();
                println!("{backend:?}, {legs}: {ended}");
            }
            program.json(&all).await;
            let again = program.json(&all).await;
            assert_eq!((&again["payments"], &again["settlement_state"]), (&json!([]), &json!("SETTLED")), "{again}");
            settled(&program).await;
            program.end().await;
        }
    }
}
