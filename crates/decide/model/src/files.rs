//! What a configuration needs to know of the files it names.

use std::io;
use std::path::Path;

/// The files of a machine. The binary gives the real ones, tests a list.
pub trait Files {
    /// Whether there is a folder of this name.
    fn is_folder(&self, path: &Path) -> bool;
    /// The file's text. A missing one is [`io::ErrorKind::NotFound`], one that isn't text
    /// [`io::ErrorKind::InvalidData`].
    fn read(&self, path: &Path) -> io::Result<String>;
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
