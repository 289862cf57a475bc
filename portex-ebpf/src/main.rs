//! The kernel programs of portex.
//!
//! One file per hook under `probes/`: what the hook means once, then a thin entry for each way to
//! attach (trampoline, kprobe, tracepoint). The files beside it hold what all share:
//!
//! * `maps`: every map; `settings`: the read-only globals
//! * `read`: the only place that reads raw kernel memory; `task`: what there is of the running task
//! * `conn`: the table of tracked connections; `life`: what may happen to one
//! * `bind`: failures of bind(), listen() and autobind; `capture`: where a failing call came from
//! * `emit`: the ring buffer; `trouble`: what went wrong, counted
//! * `walk`: programs that look through the kernel's tables of ports, run when user space asks
//!
//! A connection enters the table when a port is looked for, under the address of its socket. It
//! moves to the address of its TIME_WAIT minisocket, if there is one, and leaves when the port is
//! free. Ordinary events are written without a wake-up, a failed allocation with one.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)] // inline assembly for BPF

mod bind;
mod capture;
mod conn;
mod emit;
mod life;
mod maps;
mod owner;
mod probes;
mod read;
mod settings;
mod task;
mod trouble;
mod walk;

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The tracing helpers are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
