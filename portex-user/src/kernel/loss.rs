//! What was lost, read from the kernel.

use std::os::fd::AsFd as _;

use aya::{
    maps::{MapData, PerCpuArray},
    programs::ProgramFd,
};
use portex_common::{Loss, RecordKind, loss::SLOTS};

use super::program_info;
use crate::event::{Losses, RingFull};

/// Reads the per-CPU counters, summed over the CPUs.
pub(super) fn read(lost: &PerCpuArray<MapData, u64>, programs: &[&ProgramFd]) -> Losses {
    let mut slots = [0_u64; SLOTS as usize];
    for (slot, index) in slots.iter_mut().zip(0_u32..) {
        // A slot that cannot be read cannot be told either; it is as it was.
        if let Ok(values) = lost.get(&index, 0) {
            *slot = values.iter().sum();
        }
    }
    let kind = |kind: RecordKind| slots[usize::from(kind as u8)];
    let other = |loss: Loss| slots[loss as usize];
    Losses {
        ring_full: RingFull {
            connect: kind(RecordKind::Connect),
            connect_failed: kind(RecordKind::ConnectFailed),
            bind_failed: kind(RecordKind::BindFailed),
            state: kind(RecordKind::State),
            time_wait: kind(RecordKind::TimeWait),
            released: kind(RecordKind::Released),
            rearmed: 0,
        },
        table_full: other(Loss::TableFull),
        calls_full: other(Loss::CallsFull),
        read_fault: other(Loss::ReadFault),
        table_busy: other(Loss::TableBusy),
        skipped: programs.iter().map(|program| skipped(program)).sum(),
        undecodable: 0,
        stacks: other(Loss::Stack),
    }
}

/// Runs of a program that the kernel skipped, since it (a kprobe: since any kprobe's) was running on
/// that CPU. Counted for trampolines from 5.12 on, for others only by later kernels.
fn skipped(program: &ProgramFd) -> u64 {
    program_info::read(program.as_fd()).map_or(0, |info| info.recursion_misses)
}
