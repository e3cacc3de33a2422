//! The verifier and the agents, in real sessions.

mod agents;
mod bundled;
mod laws;
mod verifying;
