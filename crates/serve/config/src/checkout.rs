//! What is asked, and the files that answer it.

use std::sync::Arc;

use haechi_props::{Naming, Request};
use haechi_spring::Target;

use crate::version::Version;

/// Whose configuration is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// As asked for: a comma list of applications.
    pub name: String,
    pub names: Vec<String>,
    /// As asked for: a comma list.
    pub profile: String,
    pub profiles: Vec<String>,
    /// As asked for: a comma list.
    pub label: Option<String>,
    /// In the order of lookup, which is last to first.
    pub labels: Vec<String>,
}

impl Question {
    pub fn new(target: &Target) -> Self {
        Self {
            name: target.name.clone(),
            names: target.names(),
            profile: target.profiles.clone(),
            profiles: target.profiles(),
            label: target.label.clone(),
            labels: target.labels(),
        }
    }

    /// The labels, or one None for the default.
    pub fn labels_or_default(&self) -> Vec<Option<&str>> {
        if self.labels.is_empty() {
            vec![None]
        } else {
            self.labels.iter().map(|l| Some(l.as_str())).collect()
        }
    }
}

/// Where the files of a checkout are, which is how sources are named.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Git {
        uri: Arc<str>,
        workdir: Arc<str>,
    },
    /// Paths in the tree are absolute, without their leading slash.
    Native,
}

/// The files of one label, and where among them to look.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    pub version: Arc<Version>,
    pub place: Place,
    pub label: String,
    pub search_paths: Vec<String>,
}

impl Checkout {
    pub fn request<'a>(&'a self, question: &Question) -> Request<'a> {
        Request {
            applications: question.names.clone(),
            profiles: question.profiles.clone(),
            label: &self.label,
            search_paths: &self.search_paths,
            naming: match &self.place {
                Place::Git { uri, workdir } => Naming::Git { uri, workdir },
                Place::Native => Naming::Native { root: "" },
            },
        }
    }
}
