//! Stages and judges that do what they are told to.

mod miner;
mod proposer;
mod validator;
mod verifier;

pub use self::miner::{EvidenceReader, ScriptedMiner};
pub use self::proposer::ScriptedProposer;
pub use self::validator::ScriptedValidator;
pub use self::verifier::ScriptedVerifier;
