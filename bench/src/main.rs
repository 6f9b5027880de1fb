//! Programs that compare corio with its peers.
fn main() {}
