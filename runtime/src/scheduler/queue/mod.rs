//! Run queues that siblings steal from.
