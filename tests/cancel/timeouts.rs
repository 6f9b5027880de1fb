//! T17 to T19 and T31: limits, which ask their own part of the task to stop.
