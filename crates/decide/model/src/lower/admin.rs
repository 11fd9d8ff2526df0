//! `admin:`.

use super::{At, Lower};
use crate::diagnostic::Diagnostic;
use crate::lowered::AdminConfig;
use crate::{format, raw};

impl Lower<'_> {
    pub(super) fn admin(&mut self, raw: &raw::Admin, at: At<'_>) -> Option<AdminConfig> {
        let listen = format::listen_address(&raw.listen.0).ok()?;
        let auth = self.auth(raw.auth.as_ref(), at.key("auth"));
        if auth.is_none() && !listen.ip().is_loopback() {
            let message = format!("the admin port is open to everyone who reaches {listen}");
            let diagnostic = Diagnostic::warning("open-admin", at.key("listen").span(), message);
            self.report(diagnostic.help("listen on 127.0.0.1, or add `auth: { username: …, password: … }`"));
        }
        Some(AdminConfig { listen, auth })
    }
}
