//! Instance ids as four-byte numbers, so that a count costs bytes and not texts.
//!
//! One probe finds a number; beside it stands the slot that the instance has in the open generation. Numbers live as
//! long as the process and are written nowhere. The last numbers can be taken back, for reports that are refused.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// The hash by which ids are found; its low bits are the shard, as the contract pins it.
pub fn hash_of(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

/// The shard of a hash.
pub fn shard_of(hash: u64) -> u8 {
    (hash & 63) as u8
}

/// The number of an id.
pub type NameIx = u32;

/// In the byte of the length: the view knows the instance. Ids have 1 to 128 bytes, so seven bits hold the rest.
const KNOWN: u8 = 0x80;

#[derive(Debug, Clone, Copy)]
struct Name {
    hash: u64,
    /// Where the text begins: one byte of length, then the text.
    at: u32,
    /// Its slot in the open generation, if that slot names it back.
    slot: u32,
}

/// The numbers of ids.
#[derive(Default)]
pub struct Names {
    table: HashTable<NameIx>,
    names: Vec<Name>,
    text: Vec<u8>,
}

impl Names {
    /// The number of an id that has one.
    pub fn find(&self, hash: u64, id: &str) -> Option<NameIx> {
        self.table.find(hash, |ix| self.is(*ix, hash, id)).copied()
    }

    fn is(&self, ix: NameIx, hash: u64, id: &str) -> bool {
        let name = &self.names[ix as usize];
        name.hash == hash && self.bytes(name.at) == id.as_bytes()
    }

    fn bytes(&self, at: u32) -> &[u8] {
        let at = at as usize;
        let length = usize::from(self.text[at] & !KNOWN) + 1;
        &self.text[at + 1..at + 1 + length]
    }

    /// Numbers an id that has no number yet; `None` when four thousand million bytes of ids are held.
    pub fn add(&mut self, hash: u64, id: &str) -> Option<NameIx> {
        let (ix, at) = (NameIx::try_from(self.names.len()).ok()?, u32::try_from(self.text.len()).ok()?);
        let length = u8::try_from(id.len().checked_sub(1)?).ok().filter(|it| it & KNOWN == 0)?;
        self.text.push(length);
        self.text.extend_from_slice(id.as_bytes());
        self.names.push(Name { hash, at, slot: u32::MAX });
        let names = &self.names;
        self.table.insert_unique(hash, ix, |ix| names[*ix as usize].hash);
        Some(ix)
    }

    /// The id of a number.
    pub fn text(&self, ix: NameIx) -> &str {
        std::str::from_utf8(self.bytes(self.names[ix as usize].at)).expect("ids are ASCII")
    }

    /// The shard of a number.
    pub fn shard(&self, ix: NameIx) -> u8 {
        shard_of(self.names[ix as usize].hash)
    }

    /// Whether the view was seen to know the instance; instances do not go away.
    pub fn is_known(&self, ix: NameIx) -> bool {
        self.text[self.names[ix as usize].at as usize] & KNOWN != 0
    }

    /// The view knows the instance.
    pub fn set_known(&mut self, ix: NameIx) {
        self.text[self.names[ix as usize].at as usize] |= KNOWN;
    }

    /// The slot that was last given to a number; only believed if the slot names it back.
    pub fn slot(&self, ix: NameIx) -> u32 {
        self.names[ix as usize].slot
    }

    /// Gives a slot to a number.
    pub fn set_slot(&mut self, ix: NameIx, slot: u32) {
        self.names[ix as usize].slot = slot;
    }

    /// How many ids have a number.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Takes back the numbers from `len` on.
    pub fn truncate(&mut self, len: usize) {
        while self.names.len() > len {
            let ix = (self.names.len() - 1) as NameIx;
            let name = self.names[ix as usize];
            if let Ok(entry) = self.table.find_entry(name.hash, |it| *it == ix) {
                entry.remove();
            }
            self.names.pop();
            self.text.truncate(name.at as usize);
        }
    }

    /// The memory that is held, in bytes.
    pub fn bytes_held(&self) -> usize {
        self.text.capacity() + self.names.capacity() * size_of::<Name>() + self.table.capacity() * 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_again_and_taken_back() {
        let mut names = Names::default();
        let ids = ["svc-1", "svc-2", "a", &"x".repeat(128)];
        let numbers: Vec<NameIx> = ids.iter().map(|id| names.add(hash_of(id), id).unwrap()).collect();
        for (id, number) in ids.iter().zip(&numbers) {
            assert_eq!(names.find(hash_of(id), id), Some(*number));
            assert_eq!(names.text(*number), *id);
            assert!(!names.is_known(*number));
        }
        names.set_known(numbers[3]);
        assert!(names.is_known(numbers[3]) && names.text(numbers[3]).len() == 128);
        names.truncate(2);
        assert_eq!(names.find(hash_of("a"), "a"), None);
        assert_eq!(names.find(hash_of("svc-2"), "svc-2"), Some(numbers[1]));
        assert_eq!(names.add(hash_of("a"), "a"), Some(2));
    }

    #[test]
    fn the_shard_is_the_domain_s() {
        for id in ["svc-1", "a", "eu.west_1"] {
            assert_eq!(shard_of(hash_of(id)), domain::aggregation::ShardIndex::of_text(id).get());
        }
    }
}
