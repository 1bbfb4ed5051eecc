//! Symbols: ids of the topology as four bytes, so that an instance takes a fifth of the memory.
//!
//! Append only: a number keeps its meaning for the life of the process. One writer adds, readers take no lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use store::InstanceRow;

/// A number for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol(u32);

impl Symbol {
    /// No text at all.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A text that has a number, by what it is an id of: two kinds may share a spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    Product(domain::ids::ProductId),
    Group(domain::ids::GroupId),
    Region(domain::ids::RegionId),
    Jurisdiction(domain::ids::Jurisdiction),
}

/// The numbers of texts, for the writer.
pub(super) type Numbers = BTreeMap<Word, Symbol>;

/// The table of symbols.
#[derive(Default)]
pub(super) struct Symbols {
    words: ArcSwap<Vec<Word>>,
    numbers: Mutex<Arc<Numbers>>,
}

impl Symbols {
    /// The words by number. A reader keeps it for as long as it reads.
    pub(super) fn words(&self) -> arc_swap::Guard<Arc<Vec<Word>>> {
        self.words.load()
    }

    /// Gives numbers to all words of the rows, before any of the rows can be seen.
    pub(super) fn intern_rows(&self, rows: &[InstanceRow]) -> Arc<Numbers> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut added: Vec<Word> = Vec::new();
        for word in rows.iter().flat_map(words_of) {
            if !numbers.contains_key(&word) {
                let number = u32::try_from(numbers.len()).expect("fewer than 2^32 ids of topology");
                Arc::make_mut(&mut numbers).insert(word.clone(), Symbol(number));
                added.push(word);
            }
        }
        if !added.is_empty() {
            let mut words = Vec::clone(&self.words.load());
            words.extend(added);
            self.words.store(Arc::new(words));
        }
        Arc::clone(&numbers)
    }
}

/// The word of a symbol.
pub(super) fn word(words: &[Word], symbol: Symbol) -> Option<&Word> {
    words.get(symbol.0 as usize)
}

fn words_of(row: &InstanceRow) -> impl Iterator<Item = Word> {
    use domain::orchestration::Holder;
    let counted = match row.ownership.as_ref().map(|(ownership, _)| &ownership.holder) {
        Some(Holder::Group { region, group, product, .. }) => Some((region, group, product)),
        _ => None,
    };
    let held = counted.into_iter().flat_map(|(region, group, product)| {
        [Word::Region(region.clone()), Word::Group(group.clone()), Word::Product(product.clone())]
    });
    let jurisdiction = row.jurisdiction.clone().map(Word::Jurisdiction);
    std::iter::once(Word::Product(row.product.clone())).chain(jurisdiction).chain(held)
}
