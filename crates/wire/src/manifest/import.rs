//! One line of an import of instances: NDJSON, a million lines at a time.
//!
//! The fast way reads the line straight into borrowed fields, with no tree. Only when that fails, or a value does not
//! fit, the line is read again by the reader of manifests, which finds the words for the fault and has the last say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::ids::{InstanceId, ProductId};
use domain::master_data::{INSTANCE_WEIGHT_MAX, Instance, Kind, Object, Place};
use domain::time::Micros;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::{Fault, FaultCode, Faults};
use super::limits::{IMPORT_LINE_BYTES_MAX, LABELS_MAX};
use super::objects::{Given, STATUSES, label, object};
use super::reader::{Scope, read_map};
use super::tree::{Branch, Spot, Tree, is_json_number};
use super::values::{Complaint, check_range, choice_text, jurisdiction_text, microdegrees_text, time_text};
use super::{json, values};

/// Reads a line of an import: an instance, `kind` may be left out.
///
/// The answer says also whether the line states `created`; if not, it is `now`.
///
/// # Errors
/// The first fault of the line, with its code and the line's number.
pub fn parse_import_row(line: &str, line_number: u64, now: Micros) -> Result<(Instance, bool), Fault> {
    let fast = (line.len() <= IMPORT_LINE_BYTES_MAX).then(|| serde_json::from_str::<Row<'_>>(line).ok()).flatten();
    match fast.and_then(|row| row.into_instance(now).ok()) {
        Some(instance) => Ok(instance),
        None => parse_slowly(line, now).map_err(|fault| {
            let number = u32::try_from(line_number).unwrap_or(u32::MAX);
            Fault { line: number, ..fault }
        }),
    }
}

/// The fields of a line, borrowed from it. Numbers of degrees keep their text, so both ways round alike.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow)]
    kind: Option<Word<'a>>,
    #[serde(borrow)]
    id: Word<'a>,
    #[serde(borrow)]
    product: Word<'a>,
    #[serde(borrow)]
    jurisdiction: Option<Word<'a>>,
    #[serde(borrow)]
    status: Option<Word<'a>>,
    weight: Option<u64>,
    #[serde(borrow)]
    location: Option<RowPlace<'a>>,
    #[serde(borrow)]
    created: Option<Word<'a>>,
    #[serde(borrow)]
    expires: Option<Word<'a>>,
    labels: Option<BTreeMap<String, String>>,
}

/// A text that borrows from the line unless it holds escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowPlace<'a> {
    #[serde(borrow)]
    latitude: &'a RawValue,
    #[serde(borrow)]
    longitude: &'a RawValue,
}

impl Row<'_> {
    fn into_instance(self, now: Micros) -> Result<(Instance, bool), Complaint> {
        if self.kind.is_some_and(|kind| kind.0 != Kind::Instance.name()) {
            return Err(Complaint::new(FaultCode::OtherObject, "only instances are imported"));
        }
        let word = |error: domain::ids::IdError| values::bad_id("", &error);
        let time = |text: Option<Word<'_>>| text.map(|text| time_text(&text.0)).transpose();
        let created = time(self.created)?;
        let labels = self.labels.unwrap_or_default();
        check_range(labels.len() as u64, 0, LABELS_MAX as u64)?;
        for (name, value) in &labels {
            label(name, value)?;
        }
        let weight = check_range(self.weight.unwrap_or(1), 1, u64::from(INSTANCE_WEIGHT_MAX))?;
        let instance = Instance {
            id: InstanceId::parse(&self.id.0).map_err(word)?,
            product: ProductId::parse(&self.product.0).map_err(word)?,
            jurisdiction: self.jurisdiction.map(|text| jurisdiction_text(&text.0)).transpose()?,
            status: self.status.map(|text| choice_text(STATUSES, &text.0)).transpose()?.unwrap_or_default(),
            weight: u32::try_from(weight).unwrap_or(INSTANCE_WEIGHT_MAX),
            location: self.location.map(|place| place.into_place()).transpose()?,
            created: created.unwrap_or(now),
            expires: time(self.expires)?,
            labels,
        };
        Ok((instance, created.is_some()))
    }
}

impl RowPlace<'_> {
    fn into_place(self) -> Result<Place, Complaint> {
        let degrees = |value: &RawValue, degrees_max| match value.get() {
            text if is_json_number(text) => microdegrees_text(text, degrees_max),
            _ => Err(Complaint::new(FaultCode::WrongType, "expected degrees as a decimal number")),
        };
        let place = Place::new(degrees(self.latitude, 90)?, degrees(self.longitude, 180)?);
        place.map_err(|error| Complaint::new(FaultCode::OutOfRange, error.to_string()))
    }
}

/// Reads the line as a manifest: the same rules, slower, with the words for every fault.
fn parse_slowly(line: &str, now: Micros) -> Result<(Instance, bool), Fault> {
    let mut faults = Faults::default();
    let mut scope =
        Scope { file: "".into(), kind: Some(Kind::Instance.name().to_owned()), id: None, faults: &mut faults };
    let instance = match root_of(line) {
        Ok(root) => read_instance(&root, now, &mut scope),
        Err((spot, complaint)) => {
            scope.note(spot, None, complaint);
            None
        }
    };
    let result = faults.or(instance).map_err(|faults| faults.into_iter().next());
    match result {
        Ok(Some(instance)) => Ok(instance),
        Ok(None) | Err(None) => Err(Fault::new(FaultCode::NotAnObject, "the line holds no instance")),
        Err(Some(fault)) => Err(fault),
    }
}

fn root_of(line: &str) -> Result<Branch, (Spot, Complaint)> {
    if line.len() > IMPORT_LINE_BYTES_MAX {
        let message = format!("the line has {} bytes, at most {IMPORT_LINE_BYTES_MAX} are read", line.len());
        return Err((Spot::default(), Complaint::new(FaultCode::TooLarge, message)));
    }
    json::value(line).map_err(|broken| (broken.spot, Complaint::new(broken.code, broken.message)))
}

fn read_instance(root: &Branch, now: Micros, scope: &mut Scope<'_>) -> Option<(Instance, bool)> {
    if let Some(Branch { tree: Tree::Text(id), .. }) = root.tree.find("id") {
        scope.id = Some(super::tree::shorten(id));
    }
    let given = Given { id: None, now };
    let read = read_map(root, String::new(), scope, |r| {
        r.optional("kind", values::choice(&[("Instance", ())]));
        object(Kind::Instance, r, &given)
    });
    let has_created = root.tree.find("created").is_some_and(|it| it.tree != Tree::Null);
    match read {
        Some(Object::Instance(instance)) => Some((instance, has_created)),
        _ => None,
    }
}
