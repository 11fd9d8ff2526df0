//! Listeners, DNS, and telling the service manager.
