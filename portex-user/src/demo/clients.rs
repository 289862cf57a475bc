//! Those who take ports in the demo: two who do it wrong, one who does much, one who does no harm.
//!
//! 31 connections a second and 120 blocked ports take the 992 ports of a space within half a minute.
//! As TIME_WAIT lasts for one, `checkout` gets no port for the other half, and again in waves.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpSocket, TcpStream},
    spawn,
    time::{Interval, MissedTickBehavior, interval, sleep},
};

use super::places::{CACHE, CLIENT, COLLECTOR, COLLECTOR_V4, DATABASE, PAYMENTS};

/// Between two requests of `checkout`.
const REQUESTS: Duration = Duration::from_millis(32);
/// How long a request takes.
const REQUEST: Duration = Duration::from_millis(250);
/// Between two connections that `reports` opens.
const LEAKS: Duration = Duration::from_millis(500);
/// How many it opens at most.
const LEAKED: usize = 300;
/// Between two connections that `legacy` opens.
const BINDS: Duration = Duration::from_millis(160);
/// How many it keeps.
const BOUND: usize = 120;
/// How many connections `metrics` keeps.
const KEPT: usize = 4;
/// Between two messages on each of them, and before the next is opened.
const MESSAGES: Duration = Duration::from_secs(2);

/// Opens a connection for each request, and closes it. Goes on at its pace when it gets no port.
pub(super) async fn checkout() {
    let mut pace = pace(REQUESTS);
    loop {
        pace.tick().await;
        if let Ok(connection) = TcpStream::connect(PAYMENTS).await {
            spawn(async move {
                sleep(REQUEST).await;
                drop(connection);
            });
        }
    }
}

/// Opens connections and forgets to close them.
pub(super) async fn reports() {
    let mut pace = pace(LEAKS);
    let mut open = Vec::with_capacity(LEAKED);
    loop {
        pace.tick().await;
        if open.len() < LEAKED {
            open.extend(TcpStream::connect(DATABASE).await.ok());
        }
    }
}

/// Has bind() choose the port, which it then takes for all destinations.
pub(super) async fn legacy() {
    let mut pace = pace(BINDS);
    let mut open = Vec::with_capacity(BOUND);
    loop {
        pace.tick().await;
        if open.len() < BOUND {
            open.extend(bind_and_connect(CLIENT, CACHE).await.ok());
        }
    }
}

async fn bind_and_connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to).await
}

/// Keeps its connections and uses them.
pub(super) async fn metrics() {
    let mut pace = pace(MESSAGES);
    let mut open: Vec<TcpStream> = Vec::with_capacity(KEPT);
    loop {
        pace.tick().await;
        if open.len() < KEPT {
            let connection = match TcpStream::connect(COLLECTOR).await {
                Err(_) => TcpStream::connect(COLLECTOR_V4).await,
                connected => connected,
            };
            open.extend(connection.ok());
        }
        // One that the server has closed is replaced.
        open.retain(|connection| connection.try_write(b".").is_ok());
    }
}

/// Without haste after a pause: a machine that stalled gets no burst.
fn pace(every: Duration) -> Interval {
    let mut pace = interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    pace
}
