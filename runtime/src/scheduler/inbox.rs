//! Remote submissions to one worker.
