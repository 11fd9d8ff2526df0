//! One order: from a name to a certificate (RFC 8555 §7.4).

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier, KeyAuthorization,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};

use crate::answers::{Answers, Given};
use crate::failure::{Failure, Fault, words};

/// How it is shown that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By a file over plain HTTP on port 80 (RFC 8555 §8.3).
    Http01,
    /// By a certificate in a TLS handshake on port 443 (RFC 8737).
    TlsAlpn01,
}

impl Kind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// For a CA to look at the answers, and then to make the certificate. CAs look within seconds; this allows for a
/// queue.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// A chain and its key, PEM.
pub(crate) struct Issued {
    pub chain: String,
    pub key: String,
}

pub(crate) async fn obtain(
    account: &Account,
    name: &str,
    kind: Kind,
    replaces: Option<CertificateIdentifier<'static>>,
    answers: &Arc<Answers>,
) -> Result<Issued, Failure> {
    let mut order = new_order(account, name, replaces).await.map_err(|error| Failure::of(&error))?;
    let given = authorize(&mut order, name, kind, answers).await?;
    let ready = order.poll_ready(&PATIENCE).await;
    drop(given);
    match ready {
        Ok(OrderStatus::Ready) => {}
        other => return Err(refused(&mut order, kind, other).await),
    }
    let key = KeyPair::generate().map_err(|error| Failure::here("can't make a key", &error))?;
    let mut params = CertificateParams::new(vec![name.to_owned()])
        .map_err(|error| Failure::here("can't ask for a certificate", &error))?;
    params.distinguished_name = DistinguishedName::new();
    let request = params
        .serialize_request(&key)
        .map_err(|error| Failure::here("can't ask for a certificate", &error))?;
    order.finalize_csr(request.der()).await.map_err(|error| Failure::of(&error))?;
    let chain = order.poll_certificate(&PATIENCE).await.map_err(|error| Failure::of(&error))?;
    Ok(Issued { chain, key: key.serialize_pem() })
}

/// Some CAs let renewals pass their limits that say which certificate they replace (RFC 9773 §5). One that can't tell
/// must not cost the certificate.
async fn new_order(
    account: &Account,
    name: &str,
    replaces: Option<CertificateIdentifier<'static>>,
) -> Result<Order, Error> {
    let identifiers = [Identifier::Dns(name.to_owned())];
    if let Some(replaces) = replaces {
        match account.new_order(&NewOrder::new(&identifiers).replaces(replaces)).await {
            Ok(order) => return Ok(order),
            Err(error) if Failure::of(&error).fault == Fault::Unreachable => return Err(error),
            Err(_) => {}
        }
    }
    account.new_order(&NewOrder::new(&identifiers)).await
}

/// Answers the order's challenges and tells the CA to look.
async fn authorize(
    order: &mut Order,
    name: &str,
    kind: Kind,
    answers: &Arc<Answers>,
) -> Result<Vec<Given>, Failure> {
    let mut given = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| Failure::of(&error))?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => {
                return Err(Failure::new(Fault::Refused, format!("the CA's authorization is {status:?}")));
            }
        }
        let wanted = match kind {
            Kind::Http01 => ChallengeType::Http01,
            Kind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        };
        let Some(mut challenge) = authorization.challenge(wanted) else {
            let why = format!("the CA doesn't offer {} for this name", kind.as_str());
            return Err(Failure::new(Fault::Refused, why));
        };
        let authorization = challenge.key_authorization();
        given.push(match kind {
            Kind::Http01 => answers.give_http(&challenge.token, authorization.as_str()),
            Kind::TlsAlpn01 => show(name, &authorization, answers)?,
        });
        challenge.set_ready().await.map_err(|error| Failure::of(&error))?;
    }
    Ok(given)
}

/// Shows a certificate whose only content is the answer (RFC 8737 §3).
fn show(name: &str, authorization: &KeyAuthorization, answers: &Arc<Answers>) -> Result<Given, Failure> {
    let here = |error: &dyn std::error::Error| Failure::here("can't make the challenge's certificate", error);
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(|error| here(&error))?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(authorization.digest().as_ref())];
    let key = KeyPair::generate().map_err(|error| here(&error))?;
    let certificate = params.self_signed(&key).map_err(|error| here(&error))?;
    answers
        .give_certificate(name, certificate.der().to_vec(), key.serialize_der())
        .map_err(|error| here(&error))
}

/// Why an order is not ready. What the CA saw stands in its authorization.
async fn refused(order: &mut Order, kind: Kind, ended: Result<OrderStatus, Error>) -> Failure {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Failure::new(Fault::Refused, format!("{}: {}", kind.as_str(), words(problem)));
        }
    }
    match ended {
        Ok(status) => Failure::new(Fault::Refused, format!("the CA's order is {status:?}")),
        Err(error) => Failure::of(&error),
    }
}
