//! Which certificates a server name may get.

use std::collections::HashMap;

/// Certificates by the names that they cover. Case doesn't matter.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By what follows the first label: `*.shop.example` is `shop.example`.
    wildcard: HashMap<Box<str>, Vec<usize>>,
}

impl NameIndex {
    /// Adds a certificate for a name. What is added first is preferred.
    pub fn add(&mut self, name: &str, certificate: usize) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let list = match name.strip_prefix("*.") {
            Some(rest) => self.wildcard.entry(rest.into()),
            None => self.exact.entry(name.into()),
        };
        let list = list.or_default();
        if !list.contains(&certificate) {
            list.push(certificate);
        }
    }

    /// The certificates for a name: those that name it, else those of a wildcard, which stands for exactly one
    /// label (RFC 9525 §6.3). Nothing when no certificate covers it.
    pub fn find(&self, name: &str) -> Option<&[usize]> {
        let name = name.trim_end_matches('.');
        let lower: std::borrow::Cow<'_, str> = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            name.to_ascii_lowercase().into()
        } else {
            name.into()
        };
        let found = self.exact.get(&*lower).or_else(|| {
            let (first, rest) = lower.split_once('.')?;
            self.wildcard.get(rest).filter(|_| !first.is_empty())
        });
        found.map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_before_a_wildcard_which_stands_for_one_label() {
        let mut names = NameIndex::default();
        names.add("*.Shop.example", 0);
        names.add("a.shop.example", 1);
        names.add("a.shop.example", 2);
        assert_eq!(names.find("A.SHOP.example."), Some(&[1, 2][..]));
        assert_eq!(names.find("b.shop.example"), Some(&[0][..]));
        for other in ["shop.example", "a.b.shop.example", ".shop.example", "example", ""] {
            assert_eq!(names.find(other), None, "{other}");
        }
    }
}
