//! What portex itself costs, as the JSON object `own_cost`.

use serde::{
    Serialize,
    ser::{SerializeMap as _, Serializer},
};

use crate::{
    cost::OwnCost,
    fields::{CostField, OWN_COST},
};

/// Field for field of the table.
pub(super) struct CostObject(pub(super) OwnCost);

impl Serialize for CostObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(cost) = self;
        let kernel = cost.kernel;
        let mut map = serializer.serialize_map(Some(OWN_COST.len()))?;
        for field in OWN_COST {
            let name = field.heading;
            match field.column {
                CostField::Cpu => map.serialize_entry(name, &cost.cpu)?,
                CostField::Rss => map.serialize_entry(name, &cost.rss_bytes)?,
                CostField::KernelCpu => map.serialize_entry(name, &kernel.map(|k| k.cpu))?,
                CostField::KernelRuns => {
                    map.serialize_entry(name, &kernel.map(|k| k.runs_per_s))?;
                }
                CostField::KernelRunTime => {
                    map.serialize_entry(name, &kernel.and_then(|k| k.ns_per_run))?;
                }
                CostField::KernelMaps => map.serialize_entry(name, &cost.kernel_map_bytes)?,
            }
        }
        map.end()
    }
}
