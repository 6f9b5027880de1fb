//! Helpers shared by corio's integration tests.
