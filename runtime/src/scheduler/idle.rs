//! Which workers sleep, and who is woken.
