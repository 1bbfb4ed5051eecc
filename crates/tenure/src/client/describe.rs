//! `tenure describe`: an object with what surrounds it: who names it, and for an instance its ownership and history.
//!
//! Who names an object is what stands in the way of its deletion. Instances are too many to be looked through here;
//! `delete` of a product counts them.

use domain::master_data::Kind;
use serde_json::{Map, Value};

use super::objects::{as_yaml, each, kind_of, path_of};
use super::{Connection, Failure};
use crate::output::Output;

/// Prints an object with what surrounds it.
///
/// # Errors
/// [`Failure`] when there is none.
pub async fn describe(at: &Connection, output: Output, kind: &str, id: &str) -> Result<(), Failure> {
    let kind = kind_of(kind)?;
    let path = path_of(kind, id);
    let mut whole = Map::new();
    whole.insert("object".to_owned(), at.get::<Value>(&path).await?);
    if kind == Kind::Instance {
        for part in ["ownership", "history"] {
            whole.insert(part.to_owned(), at.get::<Value>(&format!("{path}/{part}")).await?);
        }
    } else {
        whole.insert("named_by".to_owned(), Value::Object(named_by(at, kind, id).await?));
    }
    let whole = Value::Object(whole);
    output.text_or(&whole, || as_yaml(&whole))
}

/// The ids of the objects that name this one, by their kind.
async fn named_by(at: &Connection, kind: Kind, id: &str) -> Result<Map<String, Value>, Failure> {
    let mut found = Map::new();
    for (other, field) in fields_that_name(kind) {
        let mut ids: Vec<Value> = Vec::new();
        each(at, *other, |item| {
            if names(&item[*field], id) {
                ids.push(item["id"].clone());
            }
            true
        })
        .await?;
        found.insert(other.plural().to_owned(), Value::Array(ids));
    }
    Ok(found)
}

fn fields_that_name(kind: Kind) -> &'static [(Kind, &'static str)] {
    match kind {
        Kind::Region => &[(Kind::ResourceGroup, "region"), (Kind::AccessTemplate, "regions")],
        Kind::ResourceGroup => &[(Kind::Node, "groups"), (Kind::AccessTemplate, "groups")],
        Kind::RuntimeTemplate => &[(Kind::Node, "runtime_template")],
        Kind::OutboundTemplate => &[(Kind::Node, "outbound_template")],
        Kind::Node => &[(Kind::AccessTemplate, "nodes")],
        Kind::AccessTemplate => &[(Kind::Product, "access_template")],
        Kind::Product | Kind::Instance => &[],
    }
}

fn names(field: &Value, id: &str) -> bool {
    match field {
        Value::Array(items) => items.iter().any(|item| item == id),
        other => other == id,
    }
}
