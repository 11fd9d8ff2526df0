//! Names as types, so that a service's name is never taken for an instance's.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name accepted anywhere, in bytes. Eureka instance ids of `host:app:port` stay far below.
pub const MAX_NAME_BYTES: usize = 255;

/// A name was empty, longer than [`MAX_NAME_BYTES`], or held a control character or a space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} {why}")]
pub struct InvalidName {
    /// What was being named: "service name", "instance id", "route name".
    pub what: &'static str,
    /// The name as given, cut at [`MAX_NAME_BYTES`].
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

fn check(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME_BYTES {
        "is longer than 255 bytes"
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "holds a space or a control character"
    } else {
        return Ok(());
    };
    Err(InvalidName { what, name: name.chars().take(MAX_NAME_BYTES).collect(), why })
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks and takes a name.
            pub fn new(name: &str) -> Result<Self, InvalidName> {
                check($what, name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(&name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// A service: a set of identical instances. In facts that come from Eureka it is the upper-case
    /// application name, as on Eureka's wire.
    ServiceName,
    "service name"
);
name_type!(
    /// One instance, unique within its service.
    InstanceId,
    "instance id"
);
name_type!(
    /// A route of the gateway.
    RouteName,
    "route name"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        assert_eq!(ServiceName::new("HELLOWORLD-SERVICE").unwrap().as_str(), "HELLOWORLD-SERVICE");
        assert!(InstanceId::new("host:app:8080").is_ok());
        assert_eq!(ServiceName::new("").unwrap_err().why, "is empty");
        assert_eq!(RouteName::new("a b").unwrap_err().why, "holds a space or a control character");
        assert!(RouteName::new(&"x".repeat(256)).is_err());
    }
}
