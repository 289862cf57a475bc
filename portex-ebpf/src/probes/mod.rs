//! One file per hook, named after the kernel function or tracepoint.
//!
//! A hook has its meaning in a `try_..` function and a thin entry for each way to attach. Which
//! entries are attached is a row of the probe table in user space (`kernel/probes.rs`).

mod inet_autobind;
mod inet_bind;
mod inet_hash_connect;
mod inet_listen;
mod inet_put_port;
mod inet_sock_set_state;
mod inet_twsk_hashdance;
pub(crate) mod inet_twsk_kill;
mod sys_exit;
mod sys_exit_connect;
mod tcp_destroy_sock;
mod tcp_set_state;
mod tcp_time_wait;
mod tcp_v6_connect;
pub(crate) mod tw_timer;
