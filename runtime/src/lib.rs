//! Tasks, event loops, timers and executors.
