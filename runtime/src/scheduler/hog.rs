//! The flags by which the Watch marks a worker that is stuck in one poll.
