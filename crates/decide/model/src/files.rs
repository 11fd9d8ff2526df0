//! What a configuration needs to know of the files it names.

use std::cell::Cell;
use std::io;
use std::path::Path;

/// The files of a machine. The binary gives the real ones, tests a list.
pub trait Files {
    /// Whether there is a folder of this name.
    fn is_folder(&self, path: &Path) -> bool;
    /// The file's text. A missing one is [`io::ErrorKind::NotFound`], one that isn't text
    /// [`io::ErrorKind::InvalidData`].
    fn read(&self, path: &Path) -> io::Result<String>;
    /// Looks into a certificate and its private key: what it is, or why they can't be used together. Nothing where
    /// that isn't looked at.
    fn certificate(&self, chain: &Path, key: &Path) -> Option<Result<CertificateSeen, String>> {
        let _ = (chain, key);
        None
    }
}

/// Files, with a count of the questions about them.
pub(crate) struct Counted<'f> {
    files: &'f dyn Files,
    asked: Cell<usize>,
}

impl<'f> Counted<'f> {
    pub fn new(files: &'f dyn Files) -> Self {
        Self { files, asked: Cell::new(0) }
    }

    /// How often anything was asked.
    pub fn asked(&self) -> usize {
        self.asked.get()
    }

    fn count(&self) -> &'f dyn Files {
        self.asked.set(self.asked.get() + 1);
        self.files
    }
}

impl Files for Counted<'_> {
    fn is_folder(&self, path: &Path) -> bool {
        self.count().is_folder(path)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.count().read(path)
    }

    fn certificate(&self, chain: &Path, key: &Path) -> Option<Result<CertificateSeen, String>> {
        self.count().certificate(chain, key)
    }
}

/// What a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSeen {
    /// Seconds until it expires; below zero if it has.
    pub seconds_left: i64,
}

/// Takes every file for granted: folders exist, and what a file holds is not looked at. For reading a file that
/// describes another machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchecked;

impl Files for Unchecked {
    fn is_folder(&self, _: &Path) -> bool {
        true
    }

    fn read(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
