//! The scenarios, and what they have in common.

mod bind_pool;
mod binds;
mod causes;
mod check;
mod churn;
mod cleanup;
mod crowd;
mod demo;
mod demo_screen;
mod doctor;
mod errors;
mod failures;
mod filters;
mod forecast;
mod full;
mod handed_over;
mod hooks_off;
mod hostile;
mod loss;
mod on_screen;
mod ordered;
mod other_calls;
mod own_cost;
mod port_owners;
mod port_space;
mod record;
mod released;
mod replay_screen;
mod retry;
mod same_tuple;
mod stacks;
mod states;
mod time_wait;
mod time_wait_ends;
mod top_plain;
mod top_restored;
mod top_screen;
mod udp_pool;

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::expect::Expected;
use crate::fact::Connect;
use crate::runner::Context;
use crate::tracer::Tracer;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) body: Body,
}

type WithShared = fn(&Context<'_>, &Tracer) -> Result<()>;
type Alone = fn(&Context<'_>) -> Result<()>;

/// What a scenario needs from the runner.
pub(crate) enum Body {
    /// The portex that sees the whole machine; any number run side by side.
    Shared(WithShared),
    /// The same, and it takes more than a minute.
    Slow(WithShared),
    /// Starts portex itself.
    Alone(Alone),
    /// The same, and it mostly waits: such run side by side, before those that run alone.
    Waiting(Alone),
    /// Starts portex itself, but the way to attach makes no difference.
    Once(Alone),
    /// The same, and the kernel makes none either: not in emulated machines, where it takes minutes.
    Plain(Alone),
    /// Leaves the machine changed.
    Last(Alone),
}

impl Body {
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_) | Self::Slow(_))
    }

    pub(crate) fn is_slow(&self) -> bool {
        matches!(self, Self::Slow(_))
    }
}

const fn scenario(name: &'static str, body: Body) -> Scenario {
    Scenario { name, body }
}

pub(crate) const ALL: &[Scenario] = &[
    scenario("failures_v4", Body::Shared(failures::v4)),
    scenario("failures_v6", Body::Shared(failures::v6)),
    scenario("failures_mapped", Body::Shared(failures::mapped)),
    scenario("prebound", Body::Shared(causes::prebound)),
    scenario("no_source_address", Body::Shared(causes::no_source_address)),
    scenario("binds_v4", Body::Shared(binds::v4)),
    scenario("binds_v6", Body::Shared(binds::v6)),
    scenario("binds_storm", Body::Alone(binds::storm)),
    scenario("retry_after_failure", Body::Shared(retry::run)),
    scenario("io_uring", Body::Shared(other_calls::io_uring)),
    scenario(
        "io_uring_worker",
        Body::Shared(other_calls::io_uring_worker),
    ),
    scenario("fastopen", Body::Shared(other_calls::fastopen)),
    scenario(
        "time_wait_sixty_seconds",
        Body::Slow(time_wait_ends::sixty_seconds),
    ),
    scenario(
        "time_wait_fin_wait2",
        Body::Shared(time_wait_ends::fin_wait2),
    ),
    scenario("time_wait_recycled", Body::Shared(time_wait_ends::recycled)),
    scenario("time_wait_overflow", Body::Shared(time_wait_ends::overflow)),
    scenario(
        "time_wait_netns_deleted",
        Body::Shared(time_wait_ends::netns_deleted),
    ),
    scenario("killed_time_wait", Body::Shared(time_wait_ends::killed)),
    scenario("time_wait_same_tuple", Body::Shared(same_tuple::run)),
    scenario("time_wait_passed_socket", Body::Shared(handed_over::passed)),
    scenario(
        "time_wait_inherited_socket",
        Body::Shared(handed_over::inherited),
    ),
    scenario("reconnect_bound", Body::Shared(handed_over::reconnected)),
    scenario("released_by_reset", Body::Shared(released::by_reset)),
    scenario("released_by_peer", Body::Shared(released::by_peer)),
    scenario("reset_in_fin_wait2", Body::Shared(released::in_fin_wait2)),
    scenario("ordered", Body::Shared(ordered::run)),
    scenario("stacks_own", Body::Alone(stacks::own)),
    scenario("stacks_grouped", Body::Alone(stacks::grouped)),
    scenario("stacks_storm", Body::Alone(stacks::storm)),
    scenario("stacks_programs", Body::Once(stacks::programs)),
    scenario("stacks_kept", Body::Once(stacks::kept)),
    scenario("stacks_jit", Body::Once(stacks::jit)),
    scenario("stacks_node", Body::Once(stacks::node)),
    scenario("states", Body::Alone(states::run)),
    scenario("ring_loss", Body::Alone(loss::run)),
    scenario("table_full", Body::Alone(full::table)),
    scenario("filters", Body::Alone(filters::in_kernel)),
    scenario("filters_others", Body::Once(filters::others)),
    scenario("leaves_nothing", Body::Alone(cleanup::leaves_nothing)),
    scenario("closed_pipe", Body::Once(cleanup::closed_pipe)),
    scenario("stalled_reader", Body::Once(cleanup::stalled_reader)),
    scenario("hostile_comm", Body::Once(hostile::traced)),
    scenario("hostile_comm_in_snapshot", Body::Once(hostile::in_snapshot)),
    scenario("errors_privileges", Body::Once(errors::privileges)),
    scenario("errors_kernel", Body::Once(errors::kernel)),
    scenario("errors_arguments", Body::Once(errors::arguments)),
    scenario("errors_memlock", Body::Once(errors::memlock)),
    scenario("hook_missing", Body::Alone(hooks_off::function_missing)),
    scenario("tracefs_missing", Body::Alone(hooks_off::tracefs_missing)),
    scenario("port_space", Body::Once(port_space::run)),
    scenario("bind_pool", Body::Once(bind_pool::run)),
    scenario("udp_pool", Body::Once(udp_pool::run)),
    scenario("time_wait_owner", Body::Alone(port_owners::time_wait)),
    scenario("older_time_wait_unknown", Body::Alone(port_owners::older)),
    scenario(
        "owner_of_handed_over",
        Body::Alone(port_owners::handed_over),
    ),
    scenario(
        "reconciled_after_losses",
        Body::Alone(port_owners::after_losses),
    ),
    scenario("forecast", Body::Waiting(forecast::run)),
    scenario("check_levels", Body::Once(check::levels)),
    scenario("many_namespaces", Body::Once(crowd::many)),
    scenario("vanishing", Body::Once(crowd::vanishing)),
    scenario("churn", Body::Alone(churn::run)),
    scenario("own_cost", Body::Once(own_cost::run)),
    scenario("diagnostics", Body::Alone(full::diagnostics)),
    scenario("record_replay", Body::Waiting(record::replay)),
    scenario("record_killed", Body::Plain(record::killed)),
    scenario("record_bounded", Body::Plain(record::bounded)),
    scenario("demo", Body::Once(demo::run)),
    scenario("demo_killed", Body::Once(demo::killed)),
    scenario("demo_workload_killed", Body::Once(demo::workload_killed)),
    scenario("demo_interrupted", Body::Once(demo::interrupted)),
    scenario("top_screen", Body::Once(top_screen::run)),
    scenario("top_plain", Body::Once(top_plain::run)),
    scenario("top_restored", Body::Once(top_restored::run)),
    scenario("top_panic", Body::Once(top_restored::panics)),
    scenario("replay_screen", Body::Once(replay_screen::run)),
    scenario("demo_screen", Body::Once(demo_screen::run)),
    scenario("doctor_attach", Body::Once(doctor::here::attach)),
    scenario(
        "doctor_capabilities",
        Body::Plain(doctor::here::capabilities),
    ),
    scenario("doctor_btf", Body::Plain(doctor::here::btf)),
    scenario("doctor_losses", Body::Plain(doctor::here::losses)),
    scenario("doctor_hostile_comm", Body::Plain(doctor::here::hostile)),
    scenario("doctor_time_wait_churn", Body::Once(doctor::holders::churn)),
    scenario(
        "doctor_time_wait_churn_watched",
        Body::Plain(doctor::holders::churn_watched),
    ),
    scenario("doctor_connection_leak", Body::Plain(doctor::holders::leak)),
    scenario(
        "doctor_connection_leak_watched",
        Body::Plain(doctor::holders::leak_watched),
    ),
    scenario(
        "doctor_close_wait_leak",
        Body::Plain(doctor::holders::close_wait),
    ),
    scenario(
        "doctor_space_full",
        Body::Plain(doctor::holders::space_full),
    ),
    scenario(
        "doctor_one_destination",
        Body::Plain(doctor::holders::one_destination),
    ),
    scenario(
        "doctor_source_addresses",
        Body::Plain(doctor::holders::source_addresses),
    ),
    scenario(
        "doctor_slow_search",
        Body::Once(doctor::holders::slow_search),
    ),
    scenario("doctor_capacity", Body::Plain(doctor::holders::capacity)),
    scenario(
        "doctor_bind_before_connect",
        Body::Once(doctor::range::bound),
    ),
    scenario(
        "doctor_listeners_in_range",
        Body::Plain(doctor::range::listeners),
    ),
    scenario("doctor_node_ports", Body::Plain(doctor::range::node_ports)),
    scenario(
        "doctor_reserved_ports",
        Body::Plain(doctor::range::reserved),
    ),
    scenario("doctor_port_range", Body::Plain(doctor::range::range)),
    scenario("doctor_pool_tcp", Body::Plain(doctor::pools::tcp)),
    scenario("doctor_pool_udp", Body::Plain(doctor::pools::udp)),
    scenario("doctor_pools_watched", Body::Plain(doctor::pools::watched)),
    scenario("doctor_tw_reuse", Body::Plain(doctor::settings::tw_reuse)),
    scenario(
        "doctor_fin_timeout",
        Body::Plain(doctor::settings::fin_timeout),
    ),
    scenario(
        "doctor_autobind_reuse",
        Body::Plain(doctor::settings::autobind_reuse),
    ),
    scenario(
        "doctor_time_wait_overflow",
        Body::Plain(doctor::settings::overflow),
    ),
    scenario(
        "doctor_tw_buckets_low",
        Body::Plain(doctor::settings::buckets),
    ),
    scenario(
        "doctor_conntrack_table",
        Body::Plain(doctor::conntrack::table),
    ),
    scenario(
        "doctor_conntrack_insert_failed",
        Body::Plain(doctor::conntrack::insert_failures),
    ),
    scenario("lockdown", Body::Last(errors::lockdown)),
];

/// Where the workloads listen, outside the ranges of ephemeral ports.
const V4: &str = "127.0.0.1:5000";
const V6: &str = "[::1]:5000";
const MAPPED: &str = "[::ffff:127.0.0.1]:5000";
const PORT: u16 = 5000;

/// A failure leaves its socket without an address, but all of a workload's come from the same.
fn fill_in_sources(connects: &mut [Connect]) {
    let known = connects
        .iter()
        .map(|connect| connect.local.ip())
        .find(|ip| !ip.is_unspecified());
    if let Some(ip) = known {
        for connect in connects
            .iter_mut()
            .filter(|connect| connect.local.ip().is_unspecified())
        {
            connect.local = SocketAddr::new(ip, connect.local.port());
        }
    }
}

/// The event of each call: a port was taken, or the range had none.
fn outcomes(connects: &[Connect]) -> Vec<Expected> {
    let outcome = |connect: &Connect| {
        if connect.failed() {
            let src = connect.local.ip().to_canonical().to_string();
            Expected::failed(connect, "range_exhausted").with("src", src)
        } else {
            Expected::connect(connect)
        }
    };
    connects.iter().map(outcome).collect()
}

/// Splits by whether a port was taken, and insists on how many of each there are.
fn split(
    connects: &[Connect],
    taken: usize,
    failed: usize,
) -> Result<(Vec<Connect>, Vec<Connect>)> {
    let (without, with): (Vec<_>, Vec<_>) = connects.iter().cloned().partition(Connect::failed);
    ensure!(
        with.len() == taken && without.len() == failed,
        "the workload is not as meant: {} connects and {} failures, not {taken} and {failed}",
        with.len(),
        without.len()
    );
    Ok((with, without))
}
