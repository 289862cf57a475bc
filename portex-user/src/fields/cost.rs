//! What portex itself costs: the fields of `own_cost`.

use super::Field;

/// A field of `own_cost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostField {
    /// Processor time of the process.
    Cpu,
    /// Memory of the process.
    Rss,
    /// Processor time of the kernel programs.
    KernelCpu,
    /// Their runs.
    KernelRuns,
    /// Time of a run.
    KernelRunTime,
    /// Memory of their maps.
    KernelMaps,
}

/// The fields, in their order in JSON. There are no columns of it.
#[rustfmt::skip]
pub const OWN_COST: &[Field<CostField>] = &[
    Field { column: CostField::Cpu, heading: "cpu", width: 0, right: true, help: "processor time of portex, user and system, as a share of one processor" },
    Field { column: CostField::Rss, heading: "rss_bytes", width: 0, right: true, help: "memory of portex (resident set)" },
    Field { column: CostField::KernelCpu, heading: "kernel_cpu", width: 0, right: true, help: "run time of its kernel programs in other processes' calls, likewise a share of one processor; by samples of BPF statistics" },
    Field { column: CostField::KernelRuns, heading: "kernel_runs_per_s", width: 0, right: true, help: "runs of these programs per second" },
    Field { column: CostField::KernelRunTime, heading: "kernel_ns_per_run", width: 0, right: true, help: "mean time of a run; null when there was none" },
    Field { column: CostField::KernelMaps, heading: "kernel_map_bytes", width: 0, right: true, help: "memory of their maps, ring buffer included" },
];
