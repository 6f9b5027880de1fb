//! Wakers collected while a wheel is owned.
pub(crate) use crate::wake_batch::{BATCH, WakeBatch};
