//! What an instance may refer to: a product that exists and a jurisdiction that some region has.
//!
//! Built once for each topology and asked for every row of an import, so an answer without fault allocates nothing.

use std::collections::BTreeSet;

use domain::ids::{Jurisdiction, ProductId};
use domain::master_data::{Instance, Kind, Object};
use domain::orchestration::Topology;
use domain::orchestration::plan::Change;
use wire::manifest::{Fault, FaultCode, did_you_mean};

/// Names that are compared for a suggestion: beyond that many it costs more than it helps.
const COMPARED_MAX: usize = 10_000;

/// What instances may refer to.
#[derive(Debug, Default)]
pub struct Known {
    products: BTreeSet<ProductId>,
    jurisdictions: BTreeSet<Jurisdiction>,
}

impl Known {
    /// What a topology offers.
    pub fn of(topology: &Topology) -> Self {
        let regions = topology.regions().iter().filter_map(|region| region.object.jurisdiction.clone());
        Self {
            products: topology.products().iter().map(|product| product.object.id.clone()).collect(),
            jurisdictions: regions.collect(),
        }
    }

    /// What a topology would offer after a change that has faults of its own, so that those of the instances beside it
    /// are found as well.
    pub fn after(before: &Topology, change: &Change) -> Self {
        let gone = |kind: Kind, id: &str| change.deletions.iter().any(|it| it.kind == kind && it.id == id);
        let written = |id: &str| change.puts.iter().any(|it| it.kind() == Kind::Region && it.id() == id);
        let mut known = Self::default();
        let products = before.products().iter().map(|it| &it.object.id).filter(|id| !gone(Kind::Product, id.as_str()));
        known.products.extend(products.cloned());
        let regions = before.regions().iter().map(|it| &it.object);
        let regions = regions.filter(|it| !gone(Kind::Region, it.id.as_str()) && !written(it.id.as_str()));
        known.jurisdictions.extend(regions.filter_map(|it| it.jurisdiction.clone()));
        for object in &change.puts {
            match object {
                Object::Product(it) => known.products.extend([it.id.clone()]),
                Object::Region(it) => known.jurisdictions.extend(it.jurisdiction.clone()),
                _ => {}
            }
        }
        known
    }

    /// Everything that is wrong with an instance.
    pub fn faults(&self, instance: &Instance) -> Vec<Fault> {
        if self.takes(instance) {
            return Vec::new();
        }
        let id = instance.id.as_str();
        let mut faults = Vec::new();
        if !self.products.contains(&instance.product) {
            let product = instance.product.as_str();
            let known = self.products.iter().map(ProductId::as_str).take(COMPARED_MAX);
            let fault = Fault::new(FaultCode::MissingReference, format!("there is no Product {product:?}"));
            faults.push(fault.of(Kind::Instance, id).in_field("product").suggesting(did_you_mean(product, known)));
        }
        if let Some(demanded) = instance.jurisdiction.as_ref().filter(|it| !self.jurisdictions.contains(*it)) {
            faults.push(self.no_jurisdiction(demanded).of(Kind::Instance, id).in_field("jurisdiction"));
        }
        faults
    }

    /// Whether an instance has no fault.
    pub fn takes(&self, instance: &Instance) -> bool {
        let has_region = |demanded: &Jurisdiction| self.jurisdictions.contains(demanded);
        self.products.contains(&instance.product) && instance.jurisdiction.as_ref().is_none_or(has_region)
    }

    fn no_jurisdiction(&self, demanded: &Jurisdiction) -> Fault {
        let known: Vec<&str> = self.jurisdictions.iter().map(Jurisdiction::as_str).take(COMPARED_MAX).collect();
        let listed = if known.is_empty() { "none has any".to_owned() } else { known.join(", ") };
        let same_letters = known.iter().find(|it| it.eq_ignore_ascii_case(demanded.as_str()));
        let meant = same_letters.map(|it| (*it).to_owned());
        let message = format!("no region has the jurisdiction {:?} (regions have: {listed})", demanded.as_str());
        let nearest = || did_you_mean(demanded.as_str(), known.iter().copied());
        Fault::new(FaultCode::UnknownJurisdiction, message).suggesting(meant.or_else(nearest))
    }
}
