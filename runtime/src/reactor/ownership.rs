//! Who may wait on a poller.
