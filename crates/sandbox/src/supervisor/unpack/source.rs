//! The tarball as it is read: digested on the way, whatever the decoder above makes of it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};

use super::archive::{self, Bad, Limits};
use super::compression::decoded;

/// What is read of a large file at once.
const BUFFER: usize = 256 * 1024;

/// Unpacks `tarball` from its beginning into the root directory; returns the digest of what was read.
pub(super) fn unpack(mut tarball: File, limits: Limits) -> Result<String, Bad> {
    tarball.rewind()?;
    let mut source = Digested { inner: tarball, hasher: blake3::Hasher::new() };
    let decoder = decoded(BufReader::with_capacity(BUFFER, &mut source))?;
    archive::extract(decoder, limits)?;
    // A tarball may go on behind its end, and its digest is that of all of it.
    io::copy(&mut source, &mut io::sink())?;
    Ok(source.hasher.finalize().to_hex().to_string())
}

struct Digested {
    inner: File,
    hasher: blake3::Hasher,
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
