//! What tests share: real parts on port 0, scripted peers.
