//! Git repositories read at a commit, without a work tree.
