//! Symbols: ids of the topology as four bytes, so that an instance takes a fifth of the memory.
//!
//! Append only: a number keeps its meaning for the life of the process. One writer adds, readers take no lock. A word
//! is published before the first row that holds its number can be seen.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use domain::ids::{GroupId, Jurisdiction, ProductId, RegionId};

/// A number for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol(u32);

impl Symbol {
    /// No text at all.
    pub(super) const NONE: Self = Self(u32::MAX);
}

/// A text that has a number, by what it is an id of: two kinds may share a spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Product(ProductId),
    Group(GroupId),
    Region(RegionId),
    Jurisdiction(Jurisdiction),
}

/// The table of symbols.
#[derive(Default)]
pub(super) struct Symbols {
    words: ArcSwap<Vec<Word>>,
    numbers: Mutex<Numbers>,
}

/// The numbers of words, for the writer. Rows ask for five each, so each kind has a map that is asked without a copy.
#[derive(Default)]
pub(super) struct Numbers {
    products: HashMap<ProductId, Symbol>,
    groups: HashMap<GroupId, Symbol>,
    regions: HashMap<RegionId, Symbol>,
    jurisdictions: HashMap<Jurisdiction, Symbol>,
    /// How many words have a number.
    count: u32,
    /// Words that got one and are not published yet.
    added: Vec<Word>,
}

impl Symbols {
    /// The words by number. A reader keeps it for as long as it reads.
    pub(super) fn words(&self) -> arc_swap::Guard<Arc<Vec<Word>>> {
        self.words.load()
    }

    /// Packs what holds words, with a number for each of them, and publishes the new words before it answers.
    pub(super) fn pack<T>(&self, pack: impl FnOnce(&mut Numbers) -> T) -> T {
        let mut numbers: MutexGuard<'_, Numbers> = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let packed = pack(&mut numbers);
        if !numbers.added.is_empty() {
            let mut words = Vec::clone(&self.words.load());
            words.append(&mut numbers.added);
            self.words.store(Arc::new(words));
        }
        packed
    }
}

impl Numbers {
    pub(super) fn product(&mut self, id: &ProductId) -> Symbol {
        number(&mut self.products, &mut self.count, &mut self.added, id, Word::Product)
    }

    pub(super) fn group(&mut self, id: &GroupId) -> Symbol {
        number(&mut self.groups, &mut self.count, &mut self.added, id, Word::Group)
    }

    pub(super) fn region(&mut self, id: &RegionId) -> Symbol {
        number(&mut self.regions, &mut self.count, &mut self.added, id, Word::Region)
    }

    pub(super) fn jurisdiction(&mut self, id: &Jurisdiction) -> Symbol {
        number(&mut self.jurisdictions, &mut self.count, &mut self.added, id, Word::Jurisdiction)
    }
}

/// The number of a word, a new one where it has none.
fn number<T: Clone + Eq + Hash>(
    known: &mut HashMap<T, Symbol>,
    count: &mut u32,
    added: &mut Vec<Word>,
    id: &T,
    word: fn(T) -> Word,
) -> Symbol {
    if let Some(symbol) = known.get(id) {
        return *symbol;
    }
    let symbol = Symbol(*count);
    *count = count.checked_add(1).filter(|count| *count < u32::MAX).expect("fewer than 2^32 ids of topology");
    known.insert(id.clone(), symbol);
    added.push(word(id.clone()));
    symbol
}

/// The word of a symbol.
pub(super) fn word(words: &[Word], symbol: Symbol) -> Option<&Word> {
    words.get(symbol.0 as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_meaning_and_kinds_do_not_mix() {
        let symbols = Symbols::default();
        let (product, group) = (ProductId::parse("same").unwrap(), GroupId::parse("same").unwrap());
        let first = symbols.pack(|numbers| (numbers.product(&product), numbers.group(&group)));
        assert_ne!(first.0, first.1);
        let again = symbols.pack(|numbers| {
            let other = numbers.group(&GroupId::parse("other").unwrap());
            assert_ne!(other, first.1);
            (numbers.product(&product), numbers.group(&group))
        });
        assert_eq!(first, again);
        let words = symbols.words();
        assert_eq!(word(&words, first.0), Some(&Word::Product(product)));
        assert_eq!(word(&words, first.1), Some(&Word::Group(group)));
        assert_eq!(word(&words, Symbol::NONE), None);
    }
}
