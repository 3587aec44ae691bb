//! The shortest way to earn and to spend. It stands in docs/integrating.md too.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use partner_sdk::{Client, Error, Issue, Origin, Outcome, Redeem};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (grocer, cinema) = (connect("grocer").await?, connect("cinema").await?);
    let card = format!("4000-{}", grocer.new_request_id());

    // The id is made, and could be stored, before the request is sent: whoever repeats it gets the same answer.
    let origin = Origin::till("store-7", "3").receipt(format!("R-{card}"));
    let earn = Issue::to("card", &card).points(100).origin(origin).request_id(grocer.new_request_id());
    let issued = grocer.issue(earn.clone()).await?.accepted()?;
    println!("earned 100, balance {}", issued.member.available_points);
    println!("asked again: replayed {}", grocer.issue(earn).await?.accepted()?.written.replayed);

    for points in [60, 1_000] {
        match cinema.redeem(Redeem::from("card", &card).points(points)).await? {
            Outcome::Accepted(redeemed) => println!("paid with {points}, balance {}", redeemed.member.available_points),
            Outcome::Rejected(no) => println!("not {points}: {} - {}", no.reason.as_str(), no.message),
            Outcome::Unknown(unknown) => println!("no answer: ask again with request id {}", unknown.request_id),
        }
    }
    Ok(())
}

async fn connect(brand: &str) -> Result<Client, Error> {
    let endpoint = std::fs::read_to_string("sandbox/endpoint.txt").expect("a sandbox is running");
    Client::builder(endpoint.trim())
        .ca_file("sandbox/ca.pem")
        .identity_files(format!("sandbox/{brand}.pem"), format!("sandbox/{brand}.key"))
        .connect()
        .await
}
