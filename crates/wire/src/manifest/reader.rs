//! Reads the fields of one map, notes every fault, and goes on.
//!
//! Whoever reads an object asks for its fields one by one; what was never asked for is unknown, and the names that were
//! asked for are what it may have meant. So the list of fields is written once, where they are read.
//! A value that is `null` or empty counts as absent.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fault::{Fault, FaultCode, Faults, did_you_mean};
use super::tree::{Branch, Name, Spot, Tree};
use super::values::Complaint;

/// The object that is read: what every fault in it says, and where faults go.
pub(super) struct Scope<'f> {
    pub(super) file: Arc<str>,
    pub(super) kind: Option<String>,
    pub(super) id: Option<String>,
    pub(super) faults: &'f mut Faults,
}

impl Scope<'_> {
    /// Notes a fault of this object.
    pub(super) fn note(&mut self, spot: Spot, field: Option<String>, complaint: Complaint) {
        self.faults.push(Fault {
            file: Arc::clone(&self.file),
            line: spot.line,
            column: spot.column,
            kind: self.kind.as_deref().map(Into::into),
            id: self.id.as_deref().map(Into::into),
            field: field.map(Into::into),
            code: complaint.code,
            message: complaint.message,
            suggestion: complaint.suggestion.map(Into::into),
        });
    }
}

/// One map that is being read.
pub(super) struct Reader<'t, 'r, 'f> {
    entries: &'t [(Name, Branch)],
    spot: Spot,
    path: String,
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
    scope: &'r mut Scope<'f>,
}

impl<'t, 'r, 'f> Reader<'t, 'r, 'f> {
    /// Starts to read a map; notes a value that is none, and names that stand twice.
    pub(super) fn open(branch: &'t Branch, path: String, scope: &'r mut Scope<'f>) -> Option<Self> {
        let Tree::Map(entries) = &branch.tree else {
            let code = if path.is_empty() { FaultCode::NotAnObject } else { FaultCode::WrongType };
            let message = format!("expected a map of fields, found {}", branch.tree.describe());
            let field = (!path.is_empty()).then_some(path);
            scope.note(branch.spot, field, Complaint::new(code, message));
            return None;
        };
        let mut seen = BTreeSet::new();
        for (name, _) in entries {
            if !seen.insert(name.text.as_str()) {
                let message = "the field stands twice";
                let field = join(&path, &name.text);
                scope.note(name.spot, Some(field), Complaint::new(FaultCode::DuplicateField, message));
            }
        }
        Some(Self { entries, spot: branch.spot, path, asked: Vec::new(), missing: Vec::new(), scope })
    }

    /// The value of a field, unless it is absent.
    fn find(&mut self, field: &'static str) -> Option<&'t Branch> {
        self.asked.push(field);
        let entry = self.entries.iter().find(|(name, _)| name.text == field);
        entry.map(|(_, branch)| branch).filter(|branch| branch.tree != Tree::Null)
    }

    /// Whether a field stands there with a value.
    pub(super) fn has(&self, field: &str) -> bool {
        self.entries.iter().any(|(name, branch)| name.text == field && branch.tree != Tree::Null)
    }

    /// A field that may be absent. `None` also if it is at fault, which is noted.
    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&'t Tree) -> Result<T, Complaint>,
    ) -> Option<T> {
        let branch = self.find(field)?;
        match read(&branch.tree) {
            Ok(value) => Some(value),
            Err(complaint) => {
                self.scope.note(branch.spot, Some(join(&self.path, field)), complaint);
                None
            }
        }
    }

    /// A field that must be there.
    pub(super) fn required<T>(
        &mut self,
        field: &'static str,
        read: impl Fn(&'t Tree) -> Result<T, Complaint>,
    ) -> Option<T> {
        if !self.has(field) {
            self.missing(field);
        }
        self.optional(field, read)
    }

    /// Says that a field is missing; noted at the end, unless a misspelt one stands for it.
    pub(super) fn missing(&mut self, field: &'static str) {
        self.missing.push(field);
    }

    /// A fault of one field, noted where it stands, or at the map.
    pub(super) fn fault(&mut self, field: &str, complaint: Complaint) {
        let entry = self.entries.iter().find(|(name, _)| name.text == field);
        let spot = entry.map_or(self.spot, |(_, branch)| branch.spot);
        self.scope.note(spot, Some(join(&self.path, field)), complaint);
    }

    /// A map inside this one.
    pub(super) fn nested<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Reader<'t, '_, 'f>) -> Option<T>,
    ) -> Option<T> {
        let branch = self.find(field)?;
        read_map(branch, join(&self.path, field), self.scope, read)
    }

    /// A list of at most `length_max` values. Absent is empty; items at fault are noted and left out.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        length_max: usize,
        read: impl Fn(&'t Tree) -> Result<T, Complaint>,
    ) -> Vec<T> {
        self.items(field, length_max, |branch, path, scope| match read(&branch.tree) {
            Ok(value) => Some(value),
            Err(complaint) => {
                scope.note(branch.spot, Some(path), complaint);
                None
            }
        })
    }

    /// A list of different values.
    pub(super) fn set<T: Ord + ToString>(
        &mut self,
        field: &'static str,
        length_max: usize,
        read: impl Fn(&'t Tree) -> Result<T, Complaint>,
    ) -> BTreeSet<T> {
        let mut set = BTreeSet::new();
        for item in self.list(field, length_max, read) {
            if let Some(twice) = set.replace(item) {
                let message = format!("{:?} stands twice in the list", twice.to_string());
                self.fault(field, Complaint::new(FaultCode::DuplicateItem, message));
            }
        }
        set
    }

    /// A list of maps.
    pub(super) fn maps<T>(
        &mut self,
        field: &'static str,
        length_max: usize,
        read: impl Fn(&mut Reader<'t, '_, 'f>) -> Option<T>,
    ) -> Vec<T> {
        self.items(field, length_max, |branch, path, scope| read_map(branch, path, scope, |reader| read(reader)))
    }

    fn items<T>(
        &mut self,
        field: &'static str,
        length_max: usize,
        read: impl Fn(&'t Branch, String, &mut Scope<'f>) -> Option<T>,
    ) -> Vec<T> {
        let Some(branch) = self.find(field) else { return Vec::new() };
        let Tree::List(items) = &branch.tree else {
            let message = format!("expected a list, found {}", branch.tree.describe());
            self.fault(field, Complaint::new(FaultCode::WrongType, message));
            return Vec::new();
        };
        if items.len() > length_max {
            let message = format!("the list has {} items, at most {length_max} are allowed", items.len());
            self.fault(field, Complaint::new(FaultCode::TooLarge, message));
            return Vec::new();
        }
        let path = join(&self.path, field);
        let read_one = |(index, item)| read(item, format!("{path}[{index}]"), self.scope);
        items.iter().enumerate().filter_map(read_one).collect()
    }

    /// A map with free names.
    pub(super) fn entries<T>(
        &mut self,
        field: &'static str,
        length_max: usize,
        read: impl Fn(&'t str, &'t Tree) -> Result<T, Complaint>,
    ) -> Vec<T> {
        let Some(branch) = self.find(field) else { return Vec::new() };
        let path = join(&self.path, field);
        let Some(map) = Reader::open(branch, path.clone(), self.scope) else { return Vec::new() };
        let entries = map.entries;
        if entries.len() > length_max {
            let message = format!("the map has {} entries, at most {length_max} are allowed", entries.len());
            self.fault(field, Complaint::new(FaultCode::TooLarge, message));
            return Vec::new();
        }
        let mut values = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            match read(&name.text, &value.tree) {
                Ok(value) => values.push(value),
                Err(complaint) => self.scope.note(value.spot, Some(join(&path, &name.text)), complaint),
            }
        }
        values
    }

    /// Notes the fields that were never asked for, and those that are missing.
    pub(super) fn finish(mut self) {
        for (name, _) in self.entries {
            if self.asked.contains(&name.text.as_str()) {
                continue;
            }
            let unused = self.asked.iter().copied().filter(|field| self.entries.iter().all(|(n, _)| n.text != *field));
            // Beyond the limit nobody sees the suggestion, and finding one is dear.
            let suggestion = if self.scope.faults.is_full() { None } else { did_you_mean(&name.text, unused) };
            self.missing.retain(|field| Some(*field) != suggestion.as_deref());
            let message = "unknown field".to_owned();
            let complaint = Complaint { code: FaultCode::UnknownField, message, suggestion };
            self.scope.note(name.spot, Some(join(&self.path, &name.text)), complaint);
        }
        for field in self.missing {
            let complaint = Complaint::new(FaultCode::MissingField, "this field is missing");
            self.scope.note(self.spot, Some(join(&self.path, field)), complaint);
        }
    }
}

/// Opens a map, reads it and notes what nobody asked for.
pub(super) fn read_map<'t, 'f, T>(
    branch: &'t Branch,
    path: String,
    scope: &mut Scope<'f>,
    read: impl FnOnce(&mut Reader<'t, '_, 'f>) -> Option<T>,
) -> Option<T> {
    let mut reader = Reader::open(branch, path, scope)?;
    let value = read(&mut reader);
    reader.finish();
    value
}

/// The longest name of a field that a fault repeats in full.
const FIELD_LENGTH_MAX: usize = 128;

fn join(path: &str, field: &str) -> String {
    let field: String = field.chars().take(FIELD_LENGTH_MAX).collect();
    if path.is_empty() { field } else { format!("{path}.{field}") }
}
