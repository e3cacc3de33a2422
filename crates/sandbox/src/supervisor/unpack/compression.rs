//! Which decoder a tarball needs. All of them are safe code: what they read is hostile.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::StreamingDecoder;

use super::archive::Bad;

const GZIP: &[u8] = &[0x1f, 0x8b];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// `source`, decompressed as its first bytes ask for.
pub(super) fn decoded<'a>(mut source: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>, Bad> {
    let first = source.fill_buf()?;
    if first.starts_with(GZIP) {
        return Ok(Box::new(MultiGzDecoder::new(source)));
    }
    if first.starts_with(XZ) {
        return Ok(Box::new(XzReader::new(source, true)));
    }
    if first.starts_with(ZSTD) {
        return Ok(Box::new(Frames { source: Some(source), frame: None }));
    }
    Ok(Box::new(source))
}

/// A file of zstd's may consist of several frames, one behind the other; the decoder knows single ones.
struct Frames<S: BufRead> {
    source: Option<S>,
    frame: Option<StreamingDecoder<S, ruzstd::decoding::FrameDecoder>>,
}

impl<S: BufRead> Read for Frames<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                self.source = self.frame.take().map(StreamingDecoder::into_inner);
            }
            let Some(mut source) = self.source.take() else { return Ok(0) };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let frame = StreamingDecoder::new(source).map_err(io::Error::other)?;
            self.frame = Some(frame);
        }
    }
}
