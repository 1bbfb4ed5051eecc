//! Which period a minute of an instance belongs to: the reset of its product, from the day it was created (I15).
//!
//! The rules are the domain's; here they are compiled once for each product and kept until the product changes. An
//! instance that nobody knows has no product, and so one period that never ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::aggregation::{Period, Resets};
use domain::ids::{ProductId, Revision};
use domain::time::Micros;

use crate::view::View;

/// The period that holds a time; what lies before the instance was created belongs to its first period.
///
/// A minute begins before whatever was created in it, and items that were parked come from before their instance: in a
/// period that ended when the instance began they would be counted and never seen.
pub fn period_in_life(resets: &Resets, created: Micros, at: Micros) -> Period {
    resets.period_of(created, at.max(created))
}

/// The compiled resets of products.
pub struct Calendar {
    view: Arc<View>,
    compiled: Mutex<HashMap<ProductId, (Revision, Arc<Resets>)>>,
}

impl Calendar {
    /// A calendar of what the view shows.
    pub fn new(view: Arc<View>) -> Self {
        Self { view, compiled: Mutex::default() }
    }

    /// Whether the view shows the instance, and so its product.
    pub fn knows(&self, instance: &str) -> bool {
        self.view.knows(instance)
    }

    /// The resets of an instance, and when it was created.
    pub fn of(&self, instance: &str) -> (Arc<Resets>, Micros) {
        match self.view.terms(instance) {
            Some((product, created)) => (self.of_product(&product), created),
            None => (Arc::new(Resets::never()), Micros(0)),
        }
    }

    /// The period of an instance that holds a time.
    pub fn period(&self, instance: &str, at: Micros) -> Period {
        let (resets, created) = self.of(instance);
        period_in_life(&resets, created, at)
    }

    fn of_product(&self, id: &ProductId) -> Arc<Resets> {
        let topology = self.view.glance();
        let product = topology.topology.find_product(id);
        let revision = product.map_or(Revision(0), |it| it.revision);
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, resets)) = compiled.get(id)
            && *of == revision
        {
            return Arc::clone(resets);
        }
        let reset = product.and_then(|it| it.object.quota.as_ref()).map(|quota| &quota.reset);
        let resets = reset.map_or_else(Resets::never, |reset| {
            Resets::new(reset).unwrap_or_else(|error| {
                // The door refuses such a product; an older row must not stop the counting.
                tracing::error!(product = %id, %error, "the reset of a product cannot be read; it counts as never");
                Resets::never()
            })
        });
        let resets = Arc::new(resets);
        compiled.insert(id.clone(), (revision, Arc::clone(&resets)));
        resets
    }
}
