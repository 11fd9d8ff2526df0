//! The client of the control plane: registries that are peers, config servers elsewhere.

use std::time::Duration;

pub use reqwest::{Client, Error, Response as Answer, StatusCode, Url};

/// A client that keeps connections, follows no redirects (an answer from elsewhere is a surprise), and gives
/// up on a connection after `connect` and on a whole exchange after `request`.
pub fn client(connect: Duration, request: Duration) -> Result<Client, Error> {
    Client::builder()
        .connect_timeout(connect)
        .timeout(request)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}
