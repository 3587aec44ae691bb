//! Where what was read waits until its turn comes: a little in memory, more in files that nobody else sees and that are gone
//! when the audit ends, however it ends. The journal holds no personal data, so neither do they.

use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};

use clearing_core::facts::entry::Entry;
use clearing_core::units::{BatchId, EntryId};
use tempfile::SpooledTempFile;

/// Bytes that wait in memory before there is a file, and those that are written and read at once. There are some five hundred
/// of these, and no more than two are read at a time.
const MEMORY_MAX: usize = 32 * 1024;

/// Pieces in the order in which they were put down.
pub(super) struct Scratch(BufWriter<SpooledTempFile>);

impl Scratch {
    pub fn new() -> Self {
        Self(BufWriter::with_capacity(MEMORY_MAX, SpooledTempFile::new(MEMORY_MAX)))
    }

    /// Puts a piece down.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a piece of more than 4 GiB"))?;
        self.0.write_all(&length.to_be_bytes())?;
        self.0.write_all(bytes)
    }

    /// Puts an entry down, by its canonical bytes.
    pub fn push_entry(&mut self, id: EntryId, bytes: &[u8]) -> io::Result<()> {
        self.push(&[&id.batch.0.to_be_bytes(), &id.ordinal.to_be_bytes()[..], bytes].concat())
    }

    /// Takes the pieces up again.
    pub fn read(self) -> io::Result<Reader> {
        let mut file = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Reader { file: BufReader::with_capacity(MEMORY_MAX, file), bytes: Vec::new() })
    }
}

/// The pieces of a [`Scratch`], one after the other.
pub(super) struct Reader {
    file: BufReader<SpooledTempFile>,
    bytes: Vec<u8>,
}

impl Reader {
    /// The next piece, if there is one.
    pub fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut length = [0; 4];
        match self.file.read_exact(&mut length) {
            Ok(()) => {}
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        self.bytes.resize(length, 0);
        self.file.read_exact(&mut self.bytes)?;
        Ok(Some(&self.bytes))
    }

    /// The next piece, which is an entry.
    pub fn next_entry(&mut self) -> io::Result<Option<(EntryId, Entry)>> {
        let Some(bytes) = self.next()? else { return Ok(None) };
        let cut = || io::Error::other("an entry was cut off");
        let (batch, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let (ordinal, bytes) = rest.split_first_chunk().ok_or_else(cut)?;
        let id = EntryId { batch: BatchId(u128::from_be_bytes(*batch)), ordinal: u32::from_be_bytes(*ordinal) };
        Ok(Some((id, Entry::from_bytes(id, bytes).map_err(io::Error::other)?)))
    }
}
