//! `zuul.*` as typed values.

use std::time::Duration;

use indexmap::IndexMap;

use crate::Warnings;
use crate::key::{boolean, did_you_mean, elements, list, relaxed};
use crate::known::{self, Fate};

/// The most routes that are read: above it a file is a mistake, and order costs the square of it.
pub(crate) const MAX_ROUTES: usize = 10_000;

/// `zuul.*`.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) prefix: String,
    pub(crate) strip_prefix: bool,
    pub(crate) retryable: Option<bool>,
    pub(crate) sensitive_headers: Vec<String>,
    pub(crate) ignored_services: Vec<String>,
    pub(crate) ignored_patterns: Vec<(String, String)>,
    pub(crate) ignored_headers: Vec<String>,
    pub(crate) add_proxy_headers: bool,
    pub(crate) add_host_header: bool,
    pub(crate) ignore_local_service: bool,
    pub(crate) host_connect_timeout: Duration,
    pub(crate) host_socket_timeout: Duration,
    pub(crate) routes: IndexMap<String, RouteSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            strip_prefix: true,
            retryable: None,
            sensitive_headers: ["Cookie", "Set-Cookie", "Authorization"].map(str::to_owned).to_vec(),
            ignored_services: Vec::new(),
            ignored_patterns: Vec::new(),
            ignored_headers: Vec::new(),
            add_proxy_headers: true,
            add_host_header: false,
            ignore_local_service: true,
            host_connect_timeout: Duration::from_secs(2),
            host_socket_timeout: Duration::from_secs(10),
            routes: IndexMap::new(),
        }
    }
}

/// `zuul.routes.X.*`, as far as written.
#[derive(Debug, Default)]
pub(crate) struct RouteSettings {
    /// The first property of it, for warnings.
    pub(crate) property: String,
    /// `zuul.routes.X=…`.
    pub(crate) short: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) service_id: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) strip_prefix: Option<bool>,
    pub(crate) retryable: Option<bool>,
    /// `Some` if set, be it to nothing.
    pub(crate) sensitive_headers: Option<Vec<String>>,
}

/// Where the items of a list come from: `k=a,b` or `k[0]=a`.
#[derive(Default)]
struct Lists(IndexMap<&'static str, Vec<(usize, String, String)>>);

impl Settings {
    pub(crate) fn read(properties: &IndexMap<String, String>, warnings: &mut Warnings) -> Self {
        let mut settings = Self::default();
        let mut lists = Lists::default();
        for (property, value) in properties {
            let elements = elements(property);
            if let [first, rest @ ..] = elements.as_slice()
                && relaxed(first) == "zuul"
                && !rest.is_empty()
            {
                settings.property(property, rest, value.trim(), &mut lists, warnings);
            }
        }
        settings.take_lists(lists, warnings);
        settings
    }

    fn property(
        &mut self,
        property: &str,
        elements: &[&str],
        value: &str,
        lists: &mut Lists,
        warnings: &mut Warnings,
    ) {
        let names: Vec<String> = elements.iter().map(|element| relaxed(element)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["prefix"] => value.clone_into(&mut self.prefix),
            ["stripprefix"] => set_bool(&mut self.strip_prefix, property, value, warnings),
            ["retryable"] => self.retryable = read_bool(property, value, warnings).or(self.retryable),
            ["addproxyheaders"] => set_bool(&mut self.add_proxy_headers, property, value, warnings),
            ["addhostheader"] => set_bool(&mut self.add_host_header, property, value, warnings),
            ["ignorelocalservice"] => set_bool(&mut self.ignore_local_service, property, value, warnings),
            ["host", "connecttimeoutmillis"] => {
                set_millis(&mut self.host_connect_timeout, property, value, warnings);
            }
            ["host", "sockettimeoutmillis"] => {
                set_millis(&mut self.host_socket_timeout, property, value, warnings);
            }
            ["sensitiveheaders", index @ ..] => lists.add("sensitive", index, property, value),
            ["ignoredservices", index @ ..] => lists.add("services", index, property, value),
            ["ignoredpatterns", index @ ..] => lists.add("patterns", index, property, value),
            ["ignoredheaders", index @ ..] => lists.add("headers", index, property, value),
            ["routes", _, ..] if self.routes.len() < MAX_ROUTES || self.routes.contains_key(elements[1]) => {
                let route = self.routes.entry(elements[1].to_owned()).or_default();
                if route.property.is_empty() {
                    property.clone_into(&mut route.property);
                }
                route.property(property, &names[2..], value, warnings);
            }
            ["routes", _, ..] => warnings.add(property, format!("more than {MAX_ROUTES} routes; not read")),
            [_, _, "disable"] => {
                warnings.add(property, "the gateway has no Java filters, so there is none to disable");
            }
            ["host", name, ..] => unread("zuul.host", property, name, known::HOST, warnings),
            [name, ..] => unread("zuul", property, name, known::ZUUL, warnings),
            [] => {}
        }
    }

    fn take_lists(&mut self, mut lists: Lists, warnings: &mut Warnings) {
        let plain = |list: Vec<(String, String)>| list.into_iter().map(|(_, item)| item).collect();
        if let Some(list) = lists.take("sensitive") {
            self.sensitive_headers = plain(list);
        }
        self.ignored_headers = plain(lists.take("headers").unwrap_or_default());
        let services = lists.take("services").unwrap_or_default();
        self.ignored_services =
            services.iter().map(|(property, item)| unquoted(property, item, warnings)).collect();
        let patterns = lists.take("patterns").unwrap_or_default();
        let read = |(property, item): (String, String)| {
            let item = unquoted(&property, &item, warnings);
            (property, item)
        };
        self.ignored_patterns = patterns.into_iter().map(read).collect();
    }
}

impl RouteSettings {
    fn property(&mut self, property: &str, names: &[&str], value: &str, warnings: &mut Warnings) {
        let text = || Some(value.to_owned());
        match names {
            [] => self.short = text(),
            ["id"] => self.id = text(),
            ["path"] => self.path = text(),
            ["serviceid"] => self.service_id = text(),
            ["url"] => self.url = text(),
            ["location"] if is_url(value) => self.url = text(),
            ["location"] => self.service_id = text(),
            ["stripprefix"] => {
                self.strip_prefix = read_bool(property, value, warnings).or(self.strip_prefix);
            }
            ["retryable"] => self.retryable = read_bool(property, value, warnings).or(self.retryable),
            ["sensitiveheaders", ..] => {
                let headers = self.sensitive_headers.get_or_insert_default();
                headers.extend(list(value).map(str::to_owned));
            }
            ["customsensitiveheaders"] => {
                if read_bool(property, value, warnings) == Some(true) {
                    self.sensitive_headers.get_or_insert_default();
                }
            }
            [name, ..] => {
                let hint = did_you_mean(name, known::ROUTE.iter().copied());
                warnings.add(property, unknown(hint.map(|hint| format!("zuul.routes.*.{hint}"))));
            }
        }
    }
}

impl Lists {
    fn add(&mut self, which: &'static str, index: &[&str], property: &str, value: &str) {
        let items = self.0.entry(which).or_default();
        match index {
            [] => {
                items.extend(
                    list(value).enumerate().map(|(i, item)| (i, property.to_owned(), item.to_owned())),
                );
            }
            [index, ..] => {
                let place = index.parse().unwrap_or(usize::MAX);
                items.push((place, property.to_owned(), value.to_owned()));
            }
        }
    }

    fn take(&mut self, which: &str) -> Option<Vec<(String, String)>> {
        let mut items = self.0.swap_remove(which)?;
        items.sort_by_key(|(index, ..)| *index);
        Some(items.into_iter().map(|(_, property, item)| (property, item)).collect())
    }
}

pub(crate) fn is_url(location: &str) -> bool {
    location.starts_with("http:") || location.starts_with("https:")
}

/// `.properties` files keep quotes, so with Zuul a quoted pattern matched nothing. It can't have been meant.
fn unquoted(property: &str, item: &str, warnings: &mut Warnings) -> String {
    let inside = ['\'', '"'].iter().find_map(|quote| item.strip_prefix(*quote)?.strip_suffix(*quote));
    let Some(inside) = inside else { return item.to_owned() };
    warnings.add(
        property,
        format!("{item} is read as {inside}; Zuul takes quotes in .properties literally, so remove them"),
    );
    inside.to_owned()
}

fn read_bool(property: &str, value: &str, warnings: &mut Warnings) -> Option<bool> {
    let read = boolean(value);
    if read.is_none() {
        warnings.add(property, format!("{value:?} is not true or false; the default is used"));
    }
    read
}

fn set_bool(place: &mut bool, property: &str, value: &str, warnings: &mut Warnings) {
    *place = read_bool(property, value, warnings).unwrap_or(*place);
}

fn set_millis(place: &mut Duration, property: &str, value: &str, warnings: &mut Warnings) {
    *place = read_millis(property, value, warnings).unwrap_or(*place);
}

/// Milliseconds above 0, at most a day.
pub(crate) fn read_millis(property: &str, value: &str, warnings: &mut Warnings) -> Option<Duration> {
    const DAY_MS: u64 = 86_400_000;
    match value.parse::<u64>() {
        Ok(0) => {
            warnings.add(property, "0 is no bound with Zuul; a day is used");
            Some(Duration::from_millis(DAY_MS))
        }
        Ok(millis) => Some(Duration::from_millis(millis.min(DAY_MS))),
        Err(_) => {
            warnings.add(property, format!("{value:?} is not a number of milliseconds; the default is used"));
            None
        }
    }
}

pub(crate) fn unknown(hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("is not known; did you mean {hint}?"),
        None => "is not known".to_owned(),
    }
}

fn unread(
    section: &str,
    property: &str,
    name: &str,
    known: &[(&'static str, Fate)],
    warnings: &mut Warnings,
) {
    let message = match known.iter().find(|(k, _)| relaxed(k) == name) {
        Some((_, Fate::Unread(reason))) => format!("has no effect: {reason}"),
        Some((known, Fate::Read)) => format!("is not known below {section}.{known}"),
        None => unknown(
            did_you_mean(name, known.iter().map(|(name, _)| *name)).map(|hint| format!("{section}.{hint}")),
        ),
    };
    warnings.add(property, message);
}
