//! `ribbon.*`, `SERVICE.ribbon.*`, Hystrix' timeouts and the load balancer's breaker. A service's own value
//! beats the one for all. Names below `ribbon` are case-sensitive, services' names are not.

use std::time::Duration;

use indexmap::IndexMap;

use crate::Warnings;
use crate::key::{did_you_mean, list, relaxed};
use crate::known::{Fate, RIBBON};
use crate::settings::{read_millis, unknown};

const TIMEOUT: &str = ".execution.isolation.thread.timeoutInMilliseconds";
const TIMEOUT_ENABLED: &str = ".execution.timeout.enabled";

/// One value and the property that it was read from.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) property: String,
    pub(crate) value: String,
}

/// The properties, by service (empty for all) and name.
#[derive(Debug, Default)]
pub(crate) struct Ribbon {
    clients: IndexMap<(String, &'static str), Setting>,
    hystrix: IndexMap<(String, &'static str), Setting>,
    breaker: IndexMap<(String, &'static str), Setting>,
}

const BREAKER: &[&str] =
    &["connectionFailureCountThreshold", "circuitTripTimeoutFactorSeconds", "circuitTripMaxTimeoutSeconds"];

impl Ribbon {
    pub(crate) fn read(properties: &IndexMap<String, String>, warnings: &mut Warnings) -> Self {
        let mut read = Self::default();
        for (property, value) in properties {
            let setting = Setting { property: property.clone(), value: value.trim().to_owned() };
            if let Some(rest) = property.strip_prefix("hystrix.") {
                read.hystrix(rest, setting, warnings);
            } else if let Some(rest) = property.strip_prefix("niws.loadbalancer.") {
                read.breaker(rest, setting, warnings);
            } else if let Some(name) = property.strip_prefix("ribbon.") {
                read.ribbon("", name, setting, warnings);
            } else if let Some((service, name)) = property.split_once(".ribbon.")
                && relaxed(service) != "zuul"
            {
                read.ribbon(service, name, setting, warnings);
            }
        }
        read
    }

    fn ribbon(&mut self, service: &str, name: &str, setting: Setting, warnings: &mut Warnings) {
        match RIBBON.iter().find(|(known, _)| *known == name) {
            Some((known, Fate::Read)) => {
                self.clients.insert((service.to_ascii_lowercase(), *known), setting);
            }
            Some((_, Fate::Unread(reason))) => {
                warnings.add(&setting.property, format!("has no effect: {reason}"));
            }
            None => {
                let hint = did_you_mean(name, RIBBON.iter().map(|(known, _)| *known));
                let case = hint.is_some_and(|hint| hint.eq_ignore_ascii_case(name));
                let why = if case { " (Ribbon's names are case-sensitive)" } else { "" };
                warnings.add(&setting.property, unknown(hint.map(|hint| format!("ribbon.{hint}"))) + why);
            }
        }
    }

    fn hystrix(&mut self, rest: &str, setting: Setting, warnings: &mut Warnings) {
        let command = rest.strip_prefix("command.");
        for name in [TIMEOUT, TIMEOUT_ENABLED] {
            if let Some(service) = command.and_then(|command| command.strip_suffix(name)) {
                self.hystrix.insert((service.to_ascii_lowercase(), name), setting);
                return;
            }
        }
        let what = match command {
            Some(command) if command.contains(".circuitBreaker.") => {
                "endpoints are ejected one by one on what requests meet; set ejection on the service instead"
            }
            _ => "there is no Hystrix here; only its timeouts are read",
        };
        warnings.add(&setting.property, format!("has no effect: {what}"));
    }

    fn breaker(&mut self, rest: &str, setting: Setting, warnings: &mut Warnings) {
        let split = rest.rsplit_once('.');
        let known = split.and_then(|(client, name)| Some((client, *BREAKER.iter().find(|k| **k == name)?)));
        match known {
            Some((client, name)) => {
                let client = if client == "default" { String::new() } else { client.to_ascii_lowercase() };
                self.breaker.insert((client, name), setting);
            }
            None => warnings.add(&setting.property, unknown(None)),
        }
    }

    /// The service's own value, or the one for all.
    pub(crate) fn get(&self, service: &str, name: &'static str) -> Option<&Setting> {
        self.own(service, name).or_else(|| self.clients.get(&(String::new(), name)))
    }

    /// The service's own value.
    pub(crate) fn own(&self, service: &str, name: &'static str) -> Option<&Setting> {
        self.clients.get(&(service.to_ascii_lowercase(), name))
    }

    pub(crate) fn breaker_of(&self, service: &str, name: &'static str) -> Option<&Setting> {
        let own = self.breaker.get(&(service.to_ascii_lowercase(), name));
        own.or_else(|| self.breaker.get(&(String::new(), name)))
    }

    pub(crate) fn millis(
        &self,
        service: &str,
        name: &'static str,
        default: Duration,
        warnings: &mut Warnings,
    ) -> Duration {
        self.get(service, name)
            .and_then(|setting| read_millis(&setting.property, &setting.value, warnings))
            .unwrap_or(default)
    }

    pub(crate) fn number(
        &self,
        service: &str,
        name: &'static str,
        default: u32,
        warnings: &mut Warnings,
    ) -> u32 {
        let Some(setting) = self.get(service, name) else { return default };
        number(setting, default, warnings)
    }

    /// Hystrix' timeout of a service, if one is written and not switched off.
    pub(crate) fn hystrix_timeout(
        &self,
        service: &str,
        warnings: &mut Warnings,
    ) -> Option<(String, Duration)> {
        let of = |name| {
            let own = self.hystrix.get(&(service.to_ascii_lowercase(), name));
            own.or_else(|| self.hystrix.get(&("default".to_owned(), name)))
        };
        if of(TIMEOUT_ENABLED).is_some_and(|setting| setting.value == "false") {
            return None;
        }
        let setting = of(TIMEOUT)?;
        Some((setting.property.clone(), read_millis(&setting.property, &setting.value, warnings)?))
    }

    /// The statuses to retry, those that a service can't answer left out.
    pub(crate) fn statuses(&self, service: &str, warnings: &mut Warnings) -> Vec<u16> {
        let Some(setting) = self.get(service, "retryableStatusCodes") else { return Vec::new() };
        let mut statuses = Vec::new();
        for item in list(&setting.value) {
            match item.parse::<u16>() {
                Ok(status @ 400..=599) => statuses.push(status),
                _ => warnings.add(&setting.property, format!("{item:?} is not a status from 400 to 599")),
            }
        }
        statuses
    }
}

pub(crate) fn number(setting: &Setting, default: u32, warnings: &mut Warnings) -> u32 {
    setting.value.parse().unwrap_or_else(|_| {
        let message = format!("{:?} is not a number; the default {default} is used", setting.value);
        warnings.add(&setting.property, message);
        default
    })
}
