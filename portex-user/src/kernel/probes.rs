//! The probe table: which program goes to which kernel function or tracepoint, in each way.

use std::{fmt, str::FromStr};

/// How programs are attached to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// BPF trampolines (fentry and fexit): the cheapest, and nothing is missed.
    Trampoline,
    /// kprobes and kretprobes: the same hooks at a higher cost.
    Kprobe,
    /// Tracepoints only: where functions cannot be hooked.
    Tracepoint,
}

impl Way {
    /// Best first.
    pub const ALL: [Self; 3] = [Self::Trampoline, Self::Kprobe, Self::Tracepoint];

    /// Name on the command line and in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trampoline => "trampoline",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        }
    }

    /// What the choice costs, in a line.
    pub fn cost(self) -> &'static str {
        match self {
            Self::Trampoline => "everything is seen",
            Self::Kprobe => {
                "everything is seen, at several times the cost per connection of trampolines"
            }
            Self::Tracepoint => {
                "no port-search times; the port of a connection made by io_uring or sendto() shows \
                 when its handshake ends; no failed binds of io_uring, the kernel itself and 32-bit \
                 programs"
            }
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|way| way.name() == text)
            .ok_or_else(|| format!("{text} is none of trampoline, kprobe, tracepoint"))
    }
}

/// Kind of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Fentry,
    Fexit,
    Kprobe,
    Kretprobe,
    RawTracepoint,
    /// In this category.
    Tracepoint(&'static str),
}

/// When a row is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// Not with `--failures`: it serves what comes after a success.
    Successes,
    /// Only with `--states`.
    States,
}

/// One program and where it goes.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) way: Way,
    /// Name of the hook, as it is told to people: the kernel's own.
    pub(super) hook: &'static str,
    pub(super) kind: Kind,
    /// Name of the program in the object file.
    pub(super) program: &'static str,
    /// Functions or tracepoints, the first that this kernel has is taken.
    pub(super) targets: &'static [&'static str],
    pub(super) when: When,
    /// Whether the way is useless without it.
    pub(super) essential: bool,
    /// Kernel fields that it reads and that not every kernel has.
    pub(super) fields: &'static [&'static str],
    /// What is missing when it is off.
    pub(super) serves: &'static str,
}

const DANCE: &[&str] = &["inet_twsk_hashdance_schedule", "inet_twsk_hashdance"];
const TW: &[&str] = &["tw_tb", "tw_timer", "timer_expires"];
const TIMER: &[&str] = &[
    "tw_tb",
    "tw_timer",
    "tw_substate",
    "timer_expires",
    "timer_function",
];
const SOCK_OF_FD: &[&str] = &[
    "task_files",
    "files_fdt",
    "fdt_max_fds",
    "fdt_fd",
    "file_private_data",
    "socket_file",
    "socket_sk",
];

const SEARCH: &str = "failed and successful port allocations";
const SEARCH6: &str = "port allocations of IPv6 sockets";
const SEARCH_TIME: &str = "the time of port searches";
const NO_SOURCE: &str = "failures for want of an IPv6 source address";
const STATES: &str = "state changes";
const OVERFLOW: &str = "telling an overflow of tcp_max_tw_buckets from a close";
const TIME_WAIT: &str = "TIME_WAIT: ports look free while it holds them";
const TW_END: &str = "the end of TIME_WAIT";
const SKIPPED: &str = "what the kernel skipped another program for";
const RELEASE: &str = "the release of ports without TIME_WAIT";
const SOCKET: &[&str] = &["socket_sk"];
const BIND: &str = "bind() that finds no port or not the one it asks for";
const BIND6: &str = "bind() of IPv6 sockets that finds no port";
const LISTEN: &str = "listen() that finds no port";
const AUTOBIND: &str = "unbound UDP sockets that find no port";

macro_rules! probe {
    ($way:ident $kind:expr, $program:literal => $hook:literal $targets:expr, $when:ident, $essential:literal, $fields:expr, $serves:expr) => {
        Probe {
            way: Way::$way,
            hook: $hook,
            kind: $kind,
            program: $program,
            targets: $targets,
            when: When::$when,
            essential: $essential,
            fields: $fields,
            serves: $serves,
        }
    };
}

/// Every program of the object file. Rows of one way are attached in this order: what ends a
/// connection before what begins one, so that none is seen to begin whose end would be missed.
#[rustfmt::skip]
pub(super) static PROBES: &[Probe] = &[
    probe!(Trampoline Kind::RawTracepoint, "timer_expire_entry" => "timer_expire_entry" &["timer_expire_entry"], Successes, false, TIMER, SKIPPED),
    probe!(Trampoline Kind::RawTracepoint, "inet_sock_set_state_beside" => "inet_sock_set_state" &["inet_sock_set_state"], Always, false, &[], SKIPPED),
    probe!(Trampoline Kind::Fentry, "inet_twsk_kill_fentry" => "inet_twsk_kill" &["inet_twsk_kill"], Successes, false, TW, TW_END),
    probe!(Trampoline Kind::Fentry, "inet_put_port_fentry" => "inet_put_port" &["inet_put_port"], Successes, false, &[], RELEASE),
    probe!(Trampoline Kind::Fentry, "inet_twsk_hashdance_fentry" => "inet_twsk_hashdance" DANCE, Successes, false, &["tw_substate"], TIME_WAIT),
    probe!(Trampoline Kind::Fentry, "tcp_time_wait_fentry" => "tcp_time_wait" &["tcp_time_wait"], Successes, false, &[], OVERFLOW),
    probe!(Trampoline Kind::Kprobe, "tcp_set_state_witness" => "tcp_set_state" &["tcp_set_state"], Always, false, &[], SKIPPED),
    probe!(Trampoline Kind::Fentry, "tcp_set_state_fentry" => "tcp_set_state" &["tcp_set_state"], States, false, &[], STATES),
    probe!(Trampoline Kind::Tracepoint("syscalls"), "sys_exit_bind_beside" => "sys_exit_bind" &["sys_exit_bind"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Trampoline Kind::Tracepoint("syscalls"), "sys_exit_listen_beside" => "sys_exit_listen" &["sys_exit_listen"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Trampoline Kind::Tracepoint("syscalls"), "sys_exit_sendto_beside" => "sys_exit_sendto" &["sys_exit_sendto"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Trampoline Kind::Tracepoint("syscalls"), "sys_exit_sendmsg_beside" => "sys_exit_sendmsg" &["sys_exit_sendmsg"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Trampoline Kind::Tracepoint("syscalls"), "sys_exit_sendmmsg_beside" => "sys_exit_sendmmsg" &["sys_exit_sendmmsg"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Trampoline Kind::Tracepoint("syscalls"), "sys_exit_connect_beside" => "sys_exit_connect" &["sys_exit_connect"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Trampoline Kind::Fexit, "inet_bind_fexit" => "inet_bind" &["inet_bind"], Always, false, SOCKET, BIND),
    probe!(Trampoline Kind::Fexit, "inet6_bind_fexit" => "inet6_bind" &["inet6_bind"], Always, false, SOCKET, BIND6),
    probe!(Trampoline Kind::Fexit, "inet_listen_fexit" => "inet_listen" &["inet_listen"], Always, false, SOCKET, LISTEN),
    probe!(Trampoline Kind::Fexit, "inet_autobind_fexit" => "inet_autobind" &["inet_autobind"], Always, false, &[], AUTOBIND),
    probe!(Trampoline Kind::Fexit, "tcp_v6_connect_fexit" => "tcp_v6_connect" &["tcp_v6_connect"], Always, false, &[], NO_SOURCE),
    probe!(Trampoline Kind::Fexit, "inet6_hash_connect_fexit" => "inet6_hash_connect" &["inet6_hash_connect"], Always, false, &[], SEARCH6),
    probe!(Trampoline Kind::Fexit, "inet_hash_connect_fexit" => "inet_hash_connect" &["inet_hash_connect"], Always, true, &[], SEARCH),
    probe!(Trampoline Kind::Fentry, "inet6_hash_connect_fentry" => "inet6_hash_connect" &["inet6_hash_connect"], Always, false, &[], SEARCH_TIME),
    probe!(Trampoline Kind::Fentry, "inet_hash_connect_fentry" => "inet_hash_connect" &["inet_hash_connect"], Always, false, &[], SEARCH_TIME),

    probe!(Kprobe Kind::RawTracepoint, "timer_expire_entry" => "timer_expire_entry" &["timer_expire_entry"], Successes, false, TIMER, SKIPPED),
    probe!(Kprobe Kind::RawTracepoint, "inet_sock_set_state_beside" => "inet_sock_set_state" &["inet_sock_set_state"], Always, false, &[], SKIPPED),
    probe!(Kprobe Kind::Kprobe, "inet_twsk_kill_kprobe" => "inet_twsk_kill" &["inet_twsk_kill"], Successes, false, TW, TW_END),
    probe!(Kprobe Kind::Kprobe, "inet_put_port_kprobe" => "inet_put_port" &["inet_put_port"], Successes, false, &[], RELEASE),
    probe!(Kprobe Kind::Kprobe, "inet_twsk_hashdance_kprobe" => "inet_twsk_hashdance" DANCE, Successes, false, &["tw_substate"], TIME_WAIT),
    probe!(Kprobe Kind::Kprobe, "tcp_time_wait_kprobe" => "tcp_time_wait" &["tcp_time_wait"], Successes, false, &[], OVERFLOW),
    probe!(Kprobe Kind::Kprobe, "tcp_set_state_witness" => "tcp_set_state" &["tcp_set_state"], Always, false, &[], SKIPPED),
    probe!(Kprobe Kind::Kprobe, "tcp_set_state_kprobe" => "tcp_set_state" &["tcp_set_state"], States, false, &[], STATES),
    probe!(Kprobe Kind::Tracepoint("syscalls"), "sys_exit_bind_beside" => "sys_exit_bind" &["sys_exit_bind"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Kprobe Kind::Tracepoint("syscalls"), "sys_exit_listen_beside" => "sys_exit_listen" &["sys_exit_listen"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Kprobe Kind::Tracepoint("syscalls"), "sys_exit_sendto_beside" => "sys_exit_sendto" &["sys_exit_sendto"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Kprobe Kind::Tracepoint("syscalls"), "sys_exit_sendmsg_beside" => "sys_exit_sendmsg" &["sys_exit_sendmsg"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Kprobe Kind::Tracepoint("syscalls"), "sys_exit_sendmmsg_beside" => "sys_exit_sendmmsg" &["sys_exit_sendmmsg"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Kprobe Kind::Tracepoint("syscalls"), "sys_exit_connect_beside" => "sys_exit_connect" &["sys_exit_connect"], Always, false, SOCK_OF_FD, SKIPPED),
    probe!(Kprobe Kind::Kretprobe, "inet_bind_kretprobe" => "inet_bind" &["inet_bind"], Always, false, SOCKET, BIND),
    probe!(Kprobe Kind::Kprobe, "inet_bind_kprobe" => "inet_bind" &["inet_bind"], Always, false, SOCKET, BIND),
    probe!(Kprobe Kind::Kretprobe, "inet6_bind_kretprobe" => "inet6_bind" &["inet6_bind"], Always, false, SOCKET, BIND6),
    probe!(Kprobe Kind::Kprobe, "inet6_bind_kprobe" => "inet6_bind" &["inet6_bind"], Always, false, SOCKET, BIND6),
    probe!(Kprobe Kind::Kretprobe, "inet_listen_kretprobe" => "inet_listen" &["inet_listen"], Always, false, SOCKET, LISTEN),
    probe!(Kprobe Kind::Kprobe, "inet_listen_kprobe" => "inet_listen" &["inet_listen"], Always, false, SOCKET, LISTEN),
    probe!(Kprobe Kind::Kretprobe, "inet_autobind_kretprobe" => "inet_autobind" &["inet_autobind"], Always, false, &[], AUTOBIND),
    probe!(Kprobe Kind::Kprobe, "inet_autobind_kprobe" => "inet_autobind" &["inet_autobind"], Always, false, &[], AUTOBIND),
    probe!(Kprobe Kind::Kretprobe, "tcp_v6_connect_kretprobe" => "tcp_v6_connect" &["tcp_v6_connect"], Always, false, &[], NO_SOURCE),
    probe!(Kprobe Kind::Kprobe, "tcp_v6_connect_kprobe" => "tcp_v6_connect" &["tcp_v6_connect"], Always, false, &[], NO_SOURCE),
    probe!(Kprobe Kind::Kretprobe, "inet6_hash_connect_kretprobe" => "inet6_hash_connect" &["inet6_hash_connect"], Always, false, &[], SEARCH6),
    probe!(Kprobe Kind::Kretprobe, "inet_hash_connect_kretprobe" => "inet_hash_connect" &["inet_hash_connect"], Always, true, &[], SEARCH),
    probe!(Kprobe Kind::Kprobe, "inet6_hash_connect_kprobe" => "inet6_hash_connect" &["inet6_hash_connect"], Always, false, &[], SEARCH6),
    probe!(Kprobe Kind::Kprobe, "inet_hash_connect_kprobe" => "inet_hash_connect" &["inet_hash_connect"], Always, true, &[], SEARCH),

    probe!(Tracepoint Kind::RawTracepoint, "timer_expire_entry" => "timer_expire_entry" &["timer_expire_entry"], Successes, false, TIMER, TW_END),
    probe!(Tracepoint Kind::RawTracepoint, "timer_cancel" => "timer_cancel" &["timer_cancel"], Successes, false, TIMER, TW_END),
    probe!(Tracepoint Kind::RawTracepoint, "tcp_destroy_sock" => "tcp_destroy_sock" &["tcp_destroy_sock"], Always, false, &[], "the release of ports bound by number"),
    probe!(Tracepoint Kind::Tracepoint("syscalls"), "sys_exit_bind" => "sys_exit_bind" &["sys_exit_bind"], Always, false, SOCK_OF_FD, BIND),
    probe!(Tracepoint Kind::Tracepoint("syscalls"), "sys_exit_listen" => "sys_exit_listen" &["sys_exit_listen"], Always, false, SOCK_OF_FD, LISTEN),
    probe!(Tracepoint Kind::Tracepoint("syscalls"), "sys_exit_sendto" => "sys_exit_sendto" &["sys_exit_sendto"], Always, false, SOCK_OF_FD, AUTOBIND),
    probe!(Tracepoint Kind::Tracepoint("syscalls"), "sys_exit_sendmsg" => "sys_exit_sendmsg" &["sys_exit_sendmsg"], Always, false, SOCK_OF_FD, AUTOBIND),
    probe!(Tracepoint Kind::Tracepoint("syscalls"), "sys_exit_sendmmsg" => "sys_exit_sendmmsg" &["sys_exit_sendmmsg"], Always, false, SOCK_OF_FD, AUTOBIND),
    probe!(Tracepoint Kind::Tracepoint("syscalls"), "sys_exit_connect" => "sys_exit_connect" &["sys_exit_connect"], Always, false, SOCK_OF_FD, "bound ports in use, missing source addresses, ports of handshakes under way"),
    probe!(Tracepoint Kind::RawTracepoint, "inet_sock_set_state" => "inet_sock_set_state" &["inet_sock_set_state"], Always, true, &[], SEARCH),
];

/// The hooks that follow the timers of TIME_WAITs: they are of use only together, and with what tells
/// these timers from others.
pub(super) fn is_timer(probe: &Probe) -> bool {
    probe.hook.starts_with("timer_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{layout, session::OBJECT, walker};

    #[test]
    fn the_table_and_the_object_file_name_the_same_programs() {
        let object = aya_obj::Object::parse(OBJECT).expect("the committed object");
        let mut in_object: Vec<&str> = object.programs.keys().map(String::as_str).collect();
        let mut in_table: Vec<&str> = PROBES.iter().map(|probe| probe.program).collect();
        in_table.extend(walker::PROGRAMS);
        in_object.sort_unstable();
        in_table.sort_unstable();
        in_table.dedup();
        assert_eq!(in_object, in_table);
    }

    #[test]
    fn every_way_has_something_essential() {
        for way in Way::ALL {
            assert!(
                PROBES.iter().any(|p| p.way == way && p.essential),
                "{way} has nothing that it cannot do without"
            );
        }
    }

    #[test]
    fn every_field_that_a_probe_needs_is_in_the_layout() {
        for probe in PROBES {
            for field in probe.fields {
                assert!(layout::is_known(field), "{}: {field}", probe.program);
            }
        }
    }

    #[test]
    fn the_search_is_hooked_last() {
        for way in Way::ALL {
            let rows: Vec<_> = PROBES.iter().filter(|p| p.way == way).collect();
            let last = rows.last().expect("rows");
            assert!(
                last.hook == "inet_hash_connect" || last.hook == "inet_sock_set_state",
                "{way} ends with {}",
                last.hook
            );
        }
    }

    #[test]
    fn ways_are_read_back_from_their_names() {
        for way in Way::ALL {
            assert_eq!(way.name().parse(), Ok(way));
        }
        assert!("fentry".parse::<Way>().is_err());
    }
}
