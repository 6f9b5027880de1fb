//! asyncio's model on every core.
#![forbid(unsafe_code)]
