//! The endpoints.

mod apps;
mod auth;
mod body;
mod facts;
mod instance;
pub(crate) use instance::REPLICATION;
mod negotiate;
mod page;
mod peer;
mod refusal;
mod route;
mod status;
mod vips;

use std::sync::{Arc, PoisonError, RwLock};

use haechi_lease::Source;
use haechi_web::{Handler, Request, Response, answer};
use http::{HeaderValue, Method, StatusCode, header};

use crate::listing::Which;
use crate::passage::{Passage, forward};
use crate::shared::Shared;
use negotiate::Wanted;
use refusal::Refusal;
use route::{Resource, Routed};

/// Answers requests from the shared state.
pub(crate) struct Service {
    shared: Arc<Shared>,
    /// The segments of [`crate::Options::prefix`].
    prefix: Vec<String>,
}

impl Service {
    pub fn new(shared: Arc<Shared>) -> Self {
        let prefix = shared.options.prefix.split('/').filter(|s| !s.is_empty()).map(ToOwned::to_owned);
        Self { prefix: prefix.collect(), shared }
    }

    async fn respond(&self, request: &Request) -> Response {
        if let Some(expected) = &self.shared.options.auth
            && !auth::is(expected, request)
        {
            return auth::ask();
        }
        let segments = match request.segments() {
            Ok(segments) => segments,
            Err(error) => return Refusal::from(error).into(),
        };
        let method = if request.method == Method::HEAD { &Method::GET } else { &request.method };
        match route::route(method, &segments, &self.prefix) {
            Routed::To(resource) => to(&self.shared, request, resource).await.unwrap_or_else(Response::from),
            Routed::NotFound => answer::text(StatusCode::NOT_FOUND, "no such resource\n"),
            Routed::NotAllowed(allowed) => {
                let mut response =
                    answer::text(StatusCode::METHOD_NOT_ALLOWED, format!("allowed here: {allowed}\n"));
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
                response
            }
        }
    }
}

/// Answers under the settings of the moment at which a request came.
pub(crate) struct Current(RwLock<Arc<Service>>);

impl Current {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self(RwLock::new(Arc::new(Service::new(shared))))
    }

    pub fn replace(&self, shared: Arc<Shared>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Service::new(shared));
    }

    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.service().shared)
    }

    fn service(&self) -> Arc<Service> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Handler for Current {
    async fn handle(&self, request: Request) -> Response {
        let core = Arc::clone(&self.shared().core);
        let passage = core.passage.read().await;
        if let Passage::There { address, client } = &*passage {
            return forward(*address, client, request).await;
        }
        let head_only = request.method == Method::HEAD;
        let mut response = self.service().respond(&request).await;
        if head_only {
            *response.body_mut() = answer::full(bytes::Bytes::new());
        }
        response
    }
}

async fn to(shared: &Shared, request: &Request, resource: Resource<'_>) -> Result<Response, Refusal> {
    // The pages and the overrides have one form each.
    match resource {
        Resource::Dashboard => return Ok(page::dashboard(shared)),
        Resource::LastN => return Ok(page::last_n(shared)),
        Resource::Overrides => return Ok(status::overrides(shared)),
        Resource::Facts => return Ok(facts::since(shared, request).await),
        Resource::Evidence => return Ok(facts::evidence(shared, request)),
        _ => {}
    }
    let Some(wanted) = Wanted::of(&request.headers) else {
        let text = "application/json and application/xml are to be had\n";
        return Ok(answer::text(StatusCode::NOT_ACCEPTABLE, text));
    };
    if resource.is_read() && instance::source(request) == Source::Client {
        shared.ready().await;
    }
    match resource {
        Resource::Apps => Ok(apps::listing(shared, Which::Full, wanted).await),
        Resource::Delta => Ok(apps::listing(shared, Which::Delta, wanted).await),
        Resource::App(app) => Ok(apps::one(shared, app, wanted)),
        Resource::Register(app) => apps::register(shared, request, app, wanted).await,
        Resource::Instance(app, id) => Ok(instance::get(shared, app, id, wanted)),
        Resource::InstanceById(id) => Ok(instance::get_by_id(shared, id, wanted)),
        Resource::Renew(app, id) => instance::renew(shared, request, (app, id), wanted),
        Resource::Cancel(app, id) => Ok(instance::cancel(shared, request, (app, id), wanted).await),
        Resource::SetStatus(app, id) => instance::set_status(shared, request, (app, id), wanted, false).await,
        Resource::DeleteStatus(app, id) => {
            instance::set_status(shared, request, (app, id), wanted, true).await
        }
        Resource::Metadata(app, id) => instance::metadata(shared, request, (app, id), wanted).await,
        Resource::Vip(vip) => Ok(vips::listing(shared, vip, false, wanted)),
        Resource::SecureVip(vip) => Ok(vips::listing(shared, vip, true, wanted)),
        Resource::Batch => peer::batch(shared, request).await,
        Resource::Status => Ok(status::status(shared, wanted)),
        Resource::Dashboard
        | Resource::LastN
        | Resource::Overrides
        | Resource::Facts
        | Resource::Evidence
        | Resource::Asg => {
            Ok(answer::text(StatusCode::BAD_REQUEST, "there are no auto scaling groups here\n"))
        }
    }
}
