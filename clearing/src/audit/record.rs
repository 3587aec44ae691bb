//! What a clean audit leaves for the next one to begin from: a file that whoever audits keeps, away from the books.
//!
//! It says where the chain ended, what every account of the house came to, and of each member what it had and a fingerprint of its
//! row. It is 56 bytes a member, holds no personal data, and ends with a hash of all of it, so that a file that was cut off or
//! damaged is no record. Nothing protects it from whoever may write it: kept beside the books it proves nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use borsh::{BorshDeserialize, BorshSerialize};
use clearing_core::facts::member::Member;
use clearing_core::units::{Hash, MemberId, WindowNumber};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// What every record of this form begins with.
const MAGIC: &[u8; 24] = b"clearing audit record 1\n";
const ROW_BYTES: usize = 56;
const HASH_BYTES: usize = 32;
/// Bytes of a record that are hashed at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Why a file is no record that an audit can begin from.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the record cannot be read or written")]
    Io(#[from] io::Error),
    #[error("the file is no record of an audit, or one of another release")]
    NotOne,
    #[error("the record was cut off or changed after it was written")]
    Damaged,
    #[error("the record is one of the coalition {recorded}, and these are the books of {books}")]
    OtherBooks { recorded: String, books: String },
}

/// What a record says of the house.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Recorded {
    pub coalition: String,
    pub domain: String,
    pub next_sequence: i64,
    pub next_number: i64,
    pub head: Hash,
    pub window: WindowNumber,
    /// The sequence behind the last entry that an audit of the whole has read.
    pub whole: i64,
    /// The balances of accounts that are not zero, in points and in money.
    pub points: BTreeMap<String, i64>,
    pub money: BTreeMap<String, i64>,
    /// What is outstanding by issuer and version of its terms, where that is not zero.
    pub outstanding: BTreeMap<(String, u32), i64>,
}

/// What a member has and owes, in points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub available: i64,
    pub held: i64,
    pub pending: i64,
    pub owed: i64,
}

impl Figures {
    /// None if they do not fit, as only those of broken books do not.
    pub fn of(member: &Member) -> Option<Self> {
        let available = i64::try_from(member.available()).ok()?;
        Some(Self { available, held: member.held().0, pending: member.pending().0, owed: member.owed().0 })
    }

    pub fn all(&self) -> [i64; 4] {
        [self.available, self.held, self.pending, self.owed]
    }
}

/// A member as it was when the record was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemberRow {
    pub member: MemberId,
    pub fingerprint: [u8; 8],
    pub figures: Figures,
}

impl MemberRow {
    /// A member with its lots as they are packed in its row. None if its figures do not fit.
    pub fn of(member: &Member, lots: &[u8]) -> Option<Self> {
        let mut hash = Sha256::new();
        hash.update(member.id.0.to_be_bytes());
        hash.update(member.entry_no.to_be_bytes());
        let bytes = member.to_bytes();
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
        hash.update(lots);
        let hash: Hash = hash.finalize().into();
        let (fingerprint, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
        Some(Self { member: member.id, fingerprint: *fingerprint, figures: Figures::of(member)? })
    }

    fn to_bytes(self) -> [u8; ROW_BYTES] {
        let figures = self.figures.all().map(i64::to_be_bytes).concat();
        let bytes = [&self.member.0.to_be_bytes()[..], &self.fingerprint, &figures].concat();
        bytes.try_into().expect("16, 8 and four times 8 bytes")
    }

    fn from_bytes(bytes: &[u8; ROW_BYTES]) -> Self {
        let (member, rest) = bytes.split_first_chunk().expect("a row has 56 bytes");
        let (fingerprint, rest) = rest.split_first_chunk().expect("a row has 56 bytes");
        let (figures, _) = rest.as_chunks();
        let figure = |at: usize| i64::from_be_bytes(figures[at]);
        let figures = Figures { available: figure(0), held: figure(1), pending: figure(2), owed: figure(3) };
        Self { member: MemberId(u128::from_be_bytes(*member)), fingerprint: *fingerprint, figures }
    }
}

/// A record that is being written. It takes its name only when all of it is on the disk.
pub(super) struct Writing {
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
}

impl Writing {
    pub fn begin(to: &Path, recorded: &Recorded) -> Result<Self, RecordError> {
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut file = Self { file: BufWriter::new(NamedTempFile::new_in(folder)?), hash: Sha256::new() };
        let head = borsh::to_vec(recorded)?;
        let length = u32::try_from(head.len()).map_err(|_| io::Error::other("an account for each of too many"))?;
        file.put(MAGIC)?;
        file.put(&length.to_be_bytes())?;
        file.put(&head)?;
        Ok(file)
    }

    /// Members come in the order of their ids.
    pub fn member(&mut self, row: MemberRow) -> Result<(), RecordError> {
        Ok(self.put(&row.to_bytes())?)
    }

    pub fn finish(self, to: &Path) -> Result<(), RecordError> {
        let Self { mut file, hash } = self;
        file.write_all(&hash.finalize())?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(to).map_err(|error| error.error)?;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }
}

/// A record that is being read, from its first member on.
pub(super) struct Reading {
    pub recorded: Recorded,
    file: BufReader<File>,
    members: u64,
    left: u64,
}

impl Reading {
    /// Opens a record, after all of it was looked at.
    pub fn open(from: &Path) -> Result<Self, RecordError> {
        let open = || File::open(from);
        check_hash(BufReader::new(open()?))?;
        let mut file = BufReader::new(open()?);
        let (mut magic, mut length) = ([0; MAGIC.len()], [0; 4]);
        file.read_exact(&mut magic)?;
        file.read_exact(&mut length)?;
        let mut head = vec![0; u32::from_be_bytes(length) as usize];
        file.read_exact(&mut head)?;
        let recorded: Recorded = borsh::from_slice(&head).map_err(|_| RecordError::NotOne)?;
        let around = (MAGIC.len() + length.len() + head.len() + HASH_BYTES) as u64;
        let rows = file.get_ref().metadata()?.len().checked_sub(around).ok_or(RecordError::Damaged)?;
        if rows % ROW_BYTES as u64 != 0 {
            return Err(RecordError::Damaged);
        }
        let members = rows / ROW_BYTES as u64;
        Ok(Self { recorded, file, members, left: members })
    }

    /// How many members there were.
    pub fn members(&self) -> u64 {
        self.members
    }

    /// The next member, if there is one.
    pub fn next(&mut self) -> Result<Option<MemberRow>, RecordError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut row = [0; ROW_BYTES];
        self.file.read_exact(&mut row).map_err(|_| RecordError::Damaged)?;
        Ok(Some(MemberRow::from_bytes(&row)))
    }
}

/// Sees that a file is a record and as it was written.
fn check_hash(mut file: BufReader<File>) -> Result<(), RecordError> {
    let length = file.get_ref().metadata()?.len();
    let mut magic = [0; MAGIC.len()];
    let is_one = file.read_exact(&mut magic).is_ok() && magic == *MAGIC;
    if !is_one {
        return Err(RecordError::NotOne);
    }
    let mut hash = Sha256::new();
    hash.update(magic);
    let hashed = length.checked_sub((MAGIC.len() + HASH_BYTES) as u64).ok_or(RecordError::Damaged)?;
    let (mut left, mut piece) = (hashed, vec![0; PIECE_BYTES]);
    while left > 0 {
        let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        file.read_exact(&mut piece[..length]).map_err(|_| RecordError::Damaged)?;
        hash.update(&piece[..length]);
        left -= length as u64;
    }
    let mut told = [0; HASH_BYTES];
    file.read_exact(&mut told).map_err(|_| RecordError::Damaged)?;
    if Hash::from(hash.finalize()) == told { Ok(()) } else { Err(RecordError::Damaged) }
}
