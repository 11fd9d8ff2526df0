//! ACME's requests, through the control plane's client.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use haechi_web::client::Client;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

/// Bytes of an answer, at most. A directory, an order and a chain of certificates are some KiB each.
const ANSWER: usize = 1 << 20;

/// The CA was not reached.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreachable(String);

/// Sends requests to a CA.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    /// For how long the CA wants to be left alone, as it said last.
    asked: Arc<Mutex<Option<Duration>>>,
}

impl Http {
    pub fn new(client: Client) -> Self {
        Self { client, asked: Arc::default() }
    }

    /// For how long the CA wanted to be left alone in the answers since the last call.
    pub fn take_asked(&self) -> Option<Duration> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn send(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await;
        let request = Request::from_parts(parts, body.to_bytes());
        let request = request.try_into().map_err(|error| unreachable(&error))?;
        let mut answer = self.client.execute(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds =
                answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = seconds.map(Duration::from_secs);
        }
        let headers = std::mem::take(answer.headers_mut());
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| unreachable(&error))? {
            if body.len() + piece.len() > ANSWER {
                return Err(Error::Other(Unreachable("the answer has more than 1 MiB".into()).into()));
            }
            body.extend_from_slice(&piece);
        }
        let mut answer = Response::new(Full::new(Bytes::from(body)));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer.into())
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().send(request))
    }
}

/// An error with what caused it: "error sending request" alone helps nobody.
fn unreachable(error: &haechi_web::client::Error) -> Error {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    Error::Other(Unreachable(words).into())
}
