//! The quick start of README.md: a visit, a change and a log-in.

use sessiond_client::proto::{CreateSessionRequest, RotateSessionRequest, Session, SessionChange};
use sessiond_client::{Client, Error};

pub(crate) async fn visit(client: &Client) -> Result<Session, Error> {
    // A first visit: the ID is a secret, and goes into the visitor's cookie.
    let id = client.create(CreateSessionRequest::new().attribute("theme", "dark")).await?.session_id;

    // A request that changes something: other attributes stay, and an update never creates.
    client.update(&id, SessionChange::new().set("cart", 3).remove("coupon")).await?;

    // A log-in: a new ID and the user, in one atomic step.
    let log_in = SessionChange::new().set_principal("user-42");
    let new_id = client.rotate(RotateSessionRequest::new(&id).change(log_in)).await?.session_id;

    // The old ID is dead.
    assert_eq!(client.get(&id).await, Err(Error::SessionNotFound));
    Ok(client.get(&new_id).await?.session)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder().connect_lazy()?; // SESSIOND_ADDR, or 127.0.0.1:50051
    assert_eq!(visit(&client).await?.attributes["cart"], 3.into());
    Ok(())
}
