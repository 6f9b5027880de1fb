//! waker_slot.
