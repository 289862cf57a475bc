//! The rules, a file each. A rule judges a case and knows nothing of other rules.

mod attach;
mod autobind_reuse;
mod bind_before_connect;
mod btf;
mod capabilities;
mod capacity;
mod close_wait_leak;
mod connection_leak;
mod conntrack_insert_failed;
mod conntrack_table;
mod fin_timeout;
mod incomplete;
mod listeners_in_range;
mod losses;
mod one_destination;
mod pool_exhausted;
mod port_range;
mod reserved_ports;
mod slow_search;
mod source_addresses;
mod space_full;
mod time_wait_churn;
mod time_wait_overflow;
mod tw_buckets_low;
mod tw_reuse;

use super::{Case, Verdict};

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, the same in every version.
    pub id: &'static str,
    /// The kernel function or manual page that it follows.
    pub source: &'static str,
    /// What it finds.
    pub judge: fn(&Case) -> Vec<Verdict>,
}

/// Every rule. Findings of the same severity come in this order: causes before settings that would
/// help, what portex can do last.
#[rustfmt::skip]
pub static RULES: &[Rule] = &[
    Rule { id: "close_wait_leak", source: "tcp_fin (net/ipv4/tcp_input.c)", judge: close_wait_leak::judge },
    Rule { id: "connection_leak", source: "inet_put_port (net/ipv4/inet_hashtables.c)", judge: connection_leak::judge },
    Rule { id: "time_wait_churn", source: "tcp_time_wait (net/ipv4/tcp_minisocks.c), tcp_twsk_unique (net/ipv4/tcp_ipv4.c)", judge: time_wait_churn::judge },
    Rule { id: "space_full", source: "__inet_hash_connect (net/ipv4/inet_hashtables.c)", judge: space_full::judge },
    Rule { id: "bind_before_connect", source: "__inet_hash_connect (net/ipv4/inet_hashtables.c), IP_BIND_ADDRESS_NO_PORT in ip(7)", judge: bind_before_connect::judge },
    Rule { id: "pool_exhausted", source: "inet_csk_get_port (net/ipv4/inet_connection_sock.c), udp_lib_get_port (net/ipv4/udp.c)", judge: pool_exhausted::judge },
    Rule { id: "port_range", source: "__inet_hash_connect (net/ipv4/inet_hashtables.c), ip_local_port_range in ip-sysctl", judge: port_range::judge },
    Rule { id: "reserved_ports", source: "inet_is_local_reserved_port (include/net/ip.h), ip_local_reserved_ports in ip-sysctl", judge: reserved_ports::judge },
    Rule { id: "listeners_in_range", source: "__inet_hash_connect (net/ipv4/inet_hashtables.c), ip_local_reserved_ports in ip-sysctl", judge: listeners_in_range::judge },
    Rule { id: "time_wait_overflow", source: "inet_twsk_alloc (net/ipv4/inet_timewait_sock.c), tcp_max_tw_buckets in ip-sysctl", judge: time_wait_overflow::judge },
    Rule { id: "slow_search", source: "__inet_hash_connect (net/ipv4/inet_hashtables.c)", judge: slow_search::judge },
    Rule { id: "conntrack_table", source: "__nf_conntrack_alloc (net/netfilter/nf_conntrack_core.c), nf_conntrack-sysctl", judge: conntrack_table::judge },
    Rule { id: "conntrack_insert_failed", source: "__nf_conntrack_confirm (net/netfilter/nf_conntrack_core.c), get_unique_tuple (net/netfilter/nf_nat_core.c)", judge: conntrack_insert_failed::judge },
    Rule { id: "tw_reuse", source: "tcp_twsk_unique (net/ipv4/tcp_ipv4.c), tcp_tw_reuse in ip-sysctl", judge: tw_reuse::judge },
    Rule { id: "one_destination", source: "__inet_check_established (net/ipv4/inet_hashtables.c)", judge: one_destination::judge },
    Rule { id: "source_addresses", source: "__inet_check_established (net/ipv4/inet_hashtables.c), ip(7)", judge: source_addresses::judge },
    Rule { id: "fin_timeout", source: "tcp_time_wait (net/ipv4/tcp_minisocks.c), TCP_TIMEWAIT_LEN (include/net/tcp.h)", judge: fin_timeout::judge },
    Rule { id: "tw_buckets_low", source: "inet_twsk_alloc (net/ipv4/inet_timewait_sock.c), tcp_max_tw_buckets in ip-sysctl", judge: tw_buckets_low::judge },
    Rule { id: "autobind_reuse", source: "inet_csk_find_open_port (net/ipv4/inet_connection_sock.c), ip_autobind_reuse in ip-sysctl", judge: autobind_reuse::judge },
    Rule { id: "incomplete", source: "setns(2), ptrace_may_access (kernel/ptrace.c), sock_diag(7)", judge: incomplete::judge },
    Rule { id: "losses", source: "bpf_ringbuf_reserve (kernel/bpf/ringbuf.c)", judge: losses::judge },
    Rule { id: "attach", source: "bpf_tracing_prog_attach (kernel/bpf/syscall.c), perf_event_open(2)", judge: attach::judge },
    Rule { id: "capabilities", source: "capabilities(7)", judge: capabilities::judge },
    Rule { id: "btf", source: "CONFIG_DEBUG_INFO_BTF (lib/Kconfig.debug)", judge: btf::judge },
    Rule { id: "capacity", source: "__inet_hash_connect (net/ipv4/inet_hashtables.c), TCP_TIMEWAIT_LEN (include/net/tcp.h)", judge: capacity::judge },
];
