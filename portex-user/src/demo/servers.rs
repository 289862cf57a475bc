//! What the demo's clients connect to.

use std::{future, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    spawn,
    time::sleep,
};

use super::places::{CACHE, COLLECTOR, COLLECTOR_V4, DATABASE, PAYMENTS};

/// All of them, listening.
#[derive(Default)]
pub(super) struct Servers(Vec<TcpListener>);

impl Servers {
    /// # Errors
    /// An address that cannot be had, but for that of the collector: one of its two is enough.
    pub(super) async fn listen() -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for address in [PAYMENTS, DATABASE, CACHE] {
            listeners.push(listen(address).await?);
        }
        let collector = match listen(COLLECTOR).await {
            Err(_) => listen(COLLECTOR_V4).await?,
            listening => listening?,
        };
        listeners.push(collector);
        Ok(Self(listeners))
    }

    /// Answers for ever, on this thread.
    pub(super) async fn serve(self) {
        for listener in self.0 {
            spawn(accept_all(listener));
        }
        future::pending::<()>().await;
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))
}

async fn accept_all(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => _ = spawn(keep(connection)),
            // Too many files are open, say; the kernel completes handshakes all the same.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Closes only after the client has, so that TIME_WAIT is the client's.
async fn keep(mut connection: TcpStream) {
    while let Ok(1..) = connection.read(&mut [0; 64]).await {}
}
