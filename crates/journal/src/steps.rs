//! The steps of a trial, packed: JSON under zlib, so that the `sqlite3` shell can read them (`sqlar_uncompress`).

use std::io::{self, Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use harness_core::Step;

/// A trial's steps as they lie in their table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) count: i64,
    /// Of the JSON, in bytes.
    pub(crate) size: i64,
    pub(crate) bytes: Vec<u8>,
}

impl Packed {
    /// Packs; `None` where there are no steps.
    pub(crate) fn of(steps: &[Step]) -> io::Result<Option<Self>> {
        if steps.is_empty() {
            return Ok(None);
        }
        let json = serde_json::to_vec(steps)?;
        let mut encoder = ZlibEncoder::new(Vec::with_capacity(json.len() / 4), Compression::fast());
        encoder.write_all(&json)?;
        let (count, size) = (steps.len() as i64, json.len() as i64);
        Ok(Some(Self { count, size, bytes: encoder.finish()? }))
    }

    /// The way back; `Err` says why there is none.
    pub(crate) fn steps(&self) -> Result<Vec<Step>, String> {
        let mut json = String::new();
        // One byte more than it should have, so that too long a text shows.
        let mut limited = ZlibDecoder::new(self.bytes.as_slice()).take(self.size.max(0) as u64 + 1);
        limited
            .read_to_string(&mut json)
            .map_err(|why| format!("has steps that do not unpack ({why})"))?;
        if json.len() as i64 != self.size {
            return Err("has steps of another size than it says".to_owned());
        }
        crate::row::parse(&json).map_err(|why| format!("has steps that cannot be read ({why})"))
    }

    /// What the chain covers.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&self.count.to_le_bytes())
            .update(&self.size.to_le_bytes())
            .update(&self.bytes);
        *hasher.finalize().as_bytes()
    }
}
