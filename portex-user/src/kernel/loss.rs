//! What was lost, read from the kernel.

use std::os::fd::{AsFd, AsRawFd};

use aya::{
    maps::{MapData, PerCpuArray},
    programs::ProgramFd,
};
use aya_obj::generated::{bpf_cmd, bpf_prog_info};
use portex_common::{Loss, RecordKind, loss::SLOTS};

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
            released: kind(RecordKind::Released) + kind(RecordKind::Unarmed),
            rearmed: kind(RecordKind::Rearmed),
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

/// The part of `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// Runs of a program that the kernel skipped, since it (a kprobe: since any kprobe's) was running on
/// that CPU. Counted for trampolines from 5.12 on, for others only by later kernels.
fn skipped(program: &ProgramFd) -> u64 {
    // SAFETY: it is made of integers; all zeros is valid.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let mut attr = InfoAttr {
        fd: program.as_fd().as_raw_fd().cast_unsigned(),
        len: u32::try_from(size_of_val(&info)).unwrap_or(0),
        info: (&raw mut info).addr() as u64,
    };
    // SAFETY: both structs live through the call, are of the sizes given, and zero where the kernel reads, so that the
    // kernel is given no buffers for the variable parts.
    let code = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            bpf_cmd::BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of::<InfoAttr>(),
        )
    };
    if code == 0 { info.recursion_misses } else { 0 }
}
