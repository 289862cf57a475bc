//! What can go wrong in a program: counted always, told through aya-log when asked for.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::debug;
use core::arch::asm;
use portex_common::Loss;

use crate::maps::LOST;

pub(crate) type Outcome = Result<(), Loss>;

/// Adds one to a slot of the loss counters.
#[inline(always)]
pub(crate) fn count(slot: u32) {
    if let Some(counter) = LOST.get_ptr_mut(slot) {
        // Atomic (BPF_ATOMIC | BPF_ADD), since a softirq may interrupt this program on its own CPU
        // and count too. In assembly, as core offers no atomic addition for this target.
        // SAFETY: a live, aligned map value.
        unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) 1_u64) };
    }
}

/// Ends a program: counts its trouble, if any. Returns what programs return.
#[inline(always)]
pub(crate) fn finish(ctx: &impl EbpfContext, hook: &'static str, outcome: Outcome) -> u32 {
    if let Err(loss) = outcome {
        count(loss as u32);
        debug!(ctx, "{}: loss {}", hook, loss as u32);
    }
    0
}
