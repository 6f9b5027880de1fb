//! T20 and T31: task groups.
