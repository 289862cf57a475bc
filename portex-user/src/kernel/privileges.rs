//! Gives up, after loading, what is not needed any more.

use caps::{CapSet, Capability, CapsHashSet};

/// Needed while running: BPF to read loss counters (before 5.19 every `bpf()` call needs it),
/// DAC_READ_SEARCH to turn cgroup ids into paths, SYS_PTRACE for what `/proc` says of others.
const KEPT: [Capability; 3] = [
    Capability::CAP_BPF,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_SYS_PTRACE,
];

/// Drops all other capabilities of the calling thread, and of the threads that it starts.
pub(super) fn drop_unneeded() -> Result<(), caps::errors::CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    let mut kept: CapsHashSet = KEPT.into_iter().filter(|cap| held.contains(cap)).collect();
    if !kept.contains(&Capability::CAP_BPF) && held.contains(&Capability::CAP_SYS_ADMIN) {
        kept.insert(Capability::CAP_SYS_ADMIN); // stands for CAP_BPF
    }
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
