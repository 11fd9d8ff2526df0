//! `gateway.import`.

use std::time::Duration;

use super::{At, Lower, prefix};
use crate::diagnostic::Diagnostic;
use crate::lowered::{ConfigOrigin, ZuulImport};
use crate::raw;

impl Lower<'_> {
    pub(super) fn import(&mut self, raw: &raw::Import, file: &raw::File, at: At<'_>) -> Option<ZuulImport> {
        let Some(zuul) = &raw.zuul else {
            let diagnostic = Diagnostic::warning("no-effect", at.span(), "`import` imports nothing");
            self.report(diagnostic.help("add `zuul: { application: NAME }`"));
            return None;
        };
        let at = at.key("zuul");
        let auth = self.auth(zuul.auth.as_ref(), at.key("auth"));
        let from = if let Some(uri) = &zuul.uri {
            ConfigOrigin::Remote { uri: prefix(&uri.0), auth }
        } else {
            self.own_config_server(zuul, file, at);
            ConfigOrigin::InProcess
        };
        let profiles =
            if zuul.profiles.is_empty() { vec!["default".to_owned()] } else { zuul.profiles.clone() };
        Some(ZuulImport {
            application: zuul.application.0.clone(),
            profiles,
            label: zuul.label.clone(),
            from,
            refresh: self.duration(zuul.refresh.as_ref(), Duration::ZERO, at.key("refresh")),
        })
    }

    fn own_config_server(&mut self, zuul: &raw::ZuulImport, file: &raw::File, at: At<'_>) {
        if file.config.is_none() {
            let message = "there is no config server in this file to take routes from";
            let diagnostic = Diagnostic::error("no-config-server", at.span(), message);
            self.report(diagnostic.help("add `uri: http://HOST:8888`, or a `config` section"));
        }
        if zuul.auth.is_some() {
            let message = "`auth` is for the config server in `uri`, and there is none";
            let diagnostic = Diagnostic::warning("no-effect", at.key("auth").span(), message);
            self.report(
                diagnostic.help("remove it: the config server in this file is not asked over the network"),
            );
        }
    }
}
