//! Where a repository is.

use std::fmt;
use std::path::PathBuf;

/// An address of a repository, with its credentials taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uri {
    /// A folder on this machine: `/srv/config`, `file:/srv/config`, `file:///srv/config`.
    Local(PathBuf),
    /// `http://`, `https://`, `ssh://`, `git://`, or scp's short form `user@host:path`.
    Remote {
        /// The address without a password; http(s) without a user too.
        url: gix::Url,
        /// `user` and `password` of an http(s) address that held them.
        userinfo: Option<(String, String)>,
    },
}

/// An address that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{uri:?} is not the address of a git repository: {why}")]
pub struct InvalidUri {
    /// As given.
    pub uri: String,
    /// What's wrong with it.
    pub why: String,
}

impl Uri {
    /// Reads an address.
    pub fn parse(uri: &str) -> Result<Self, InvalidUri> {
        let invalid = |why: &str| InvalidUri { uri: uri.to_owned(), why: why.to_owned() };
        if uri.is_empty() {
            return Err(invalid("it is empty"));
        }
        if let Some(path) = local_path(uri) {
            return if path.is_empty() {
                Err(invalid("it has no path"))
            } else {
                Ok(Self::Local(path.into()))
            };
        }
        if uri.split_once("::").is_some_and(|(helper, _)| !helper.contains('/')) {
            return Err(invalid("remote helpers are not run"));
        }
        let mut url = gix::Url::from_bytes(uri.into()).map_err(|e| invalid(&e.to_string()))?;
        use gix::url::Scheme;
        match url.scheme {
            Scheme::File => return Ok(Self::Local(gix::path::from_bstring(url.path))),
            Scheme::Http | Scheme::Https | Scheme::Ssh | Scheme::Git => {}
            ref other @ Scheme::Ext(_) => {
                return Err(invalid(&format!(
                    "the scheme {other} is not one of file, http, https, ssh, git"
                )));
            }
        }
        // A host or user that starts with a hyphen would be read as an option by the ssh program.
        if url.host().is_none_or(|host| host.is_empty() || host.starts_with('-')) {
            return Err(invalid("it has no usable host"));
        }
        if url.user().is_some_and(|user| user.starts_with('-')) {
            return Err(invalid("the user starts with a hyphen"));
        }
        let userinfo = match (url.user().map(str::to_owned), url.password().map(str::to_owned)) {
            (Some(user), password) if matches!(url.scheme, Scheme::Http | Scheme::Https) => {
                url.set_user(None);
                Some((user, password.unwrap_or_default()))
            }
            _ => None,
        };
        url.set_password(None);
        Ok(Self::Remote { url, userinfo })
    }
}

/// The path of `file:` in the forms that git and Java write, or of a plain path. `host:path` is scp's form.
fn local_path(uri: &str) -> Option<&str> {
    if let Some(rest) = uri.strip_prefix("file:") {
        return Some(match rest.strip_prefix("//") {
            Some(after) => after.strip_prefix("localhost").filter(|p| p.starts_with('/')).unwrap_or(after),
            None => rest,
        });
    }
    let before_colon = uri.split_once(':').map_or(uri, |(before, _)| before);
    (before_colon.len() == uri.len() || before_colon.contains('/')).then_some(uri)
}

impl fmt::Display for Uri {
    /// Never holds credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Remote { url, .. } => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_forms_are_paths() {
        for (uri, path) in [
            ("/srv/config", "/srv/config"),
            ("./config", "./config"),
            ("config", "config"),
            ("file:/srv/c", "/srv/c"),
            ("file:///srv/c", "/srv/c"),
            ("file://localhost/srv/c", "/srv/c"),
            ("/srv/a:b", "/srv/a:b"),
        ] {
            assert_eq!(Uri::parse(uri), Ok(Uri::Local(path.into())), "{uri}");
        }
    }

    #[test]
    fn credentials_are_taken_out_of_what_is_shown() {
        let uri = Uri::parse("https://ann:s3cret@git.example/config.git").unwrap();
        assert_eq!(uri.to_string(), "https://git.example/config.git");
        let Uri::Remote { userinfo, .. } = uri else { panic!("{uri:?}") };
        assert_eq!(userinfo, Some(("ann".into(), "s3cret".into())));
        assert_eq!(
            Uri::parse("ssh://git@h.example:22/x.git").unwrap().to_string(),
            "ssh://git@h.example:22/x.git"
        );
        assert_eq!(Uri::parse("git@h.example:x.git").unwrap().to_string(), "git@h.example:x.git");
    }

    #[test]
    fn addresses_that_could_run_something_else_are_refused() {
        for uri in [
            "",
            "file:",
            "ext::sh -c id",
            "ftp://h/x",
            "ssh://-oProxyCommand=id/x",
            "-oProxyCommand=id:x",
            "ssh://-l@h/x",
        ] {
            assert!(Uri::parse(uri).is_err(), "{uri}: {:?}", Uri::parse(uri));
        }
    }
}
