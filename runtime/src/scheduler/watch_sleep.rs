//! How the Watch sleeps while nothing runs.
