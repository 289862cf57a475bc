//! Scenarios that run the real `portex` against the kernel of this machine, or as the init of a VM.
//!
//! The judge is never portex: a scenario lets a workload process make connects, takes what that
//! process itself saw (its return values, `getsockname`) and what the kernel lists
//! (`/proc/net/tcp`, its counters), and asks portex to have told exactly that.
//!
//! ```text
//! cli, vm            who is asked: a person, QEMU
//! runner, report     which scenarios run when, and what came of them
//! scenarios/         one file per theme: arrange, act, compare
//! load; tracer, told  the two processes of a scenario, seen from outside
//! workload/, fact    what the workload process does, and how it tells
//! event, expect      what portex told, and what it should have told
//! snapshot/          what `portex snapshot` printed
//! netns, netfilter, procnet, diag, bpf, sys   the kernel
//! screen             a terminal, its keys and what is seen
//! confine, named     a process with something taken away from it, or too much of it
//! random, parallel   seeds; several at once
//! ```

mod bpf;
mod cli;
mod confine;
mod diag;
mod event;
mod expect;
mod fact;
mod load;
mod named;
mod netfilter;
mod netns;
mod parallel;
mod process;
mod procnet;
mod random;
mod report;
mod runner;
mod scenarios;
mod screen;
mod snapshot;
mod sys;
mod told;
mod tracer;
mod vm;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        vm::init()
    } else {
        cli::run()
    }
}
