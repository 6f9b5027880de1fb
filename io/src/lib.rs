//! Sockets, streams and signals.
