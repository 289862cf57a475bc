//! What runs in the demo's namespace: a server, a client that churns, a client that leaks.

use std::{
    io::{self, BufRead as _, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread::{self, Builder},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::namespace;

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The workload ends by itself after this long, whatever its parent does.
const LONGEST: Duration = Duration::from_secs(3600);
/// Connections that the leaking client opens at most.
const LEAKED: usize = 5;

/// The child's side: make the namespace, say its inode number, wait for the word, run.
pub fn main() -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("tying the demo to its parent")?;
    let netns = namespace::enter()?;
    let listener = TcpListener::bind(SERVER).context("starting the demo's server")?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{netns}")?;
    stdout.flush()?;
    let mut input = io::stdin().lock();
    let mut word = String::new();
    if input.read_line(&mut word)? == 0 {
        return Ok(()); // the parent has gone
    }
    let start = |name: &str, job: Box<dyn FnOnce() + Send>| {
        Builder::new()
            .name(name.to_owned())
            .spawn(job)
            .context("starting the demo's threads")
    };
    start("server", Box::new(move || serve(&listener)))?;
    start("worker", Box::new(leak))?;
    start("proxy", Box::new(churn))?;
    // Until the parent closes its end.
    io::copy(&mut input, &mut io::sink())?;
    Ok(())
}

/// Keeps each connection until the client closes it, so that TIME_WAIT is the client's.
fn serve(listener: &TcpListener) {
    for mut connection in listener.incoming().flatten() {
        // No more than the range has ports at a time.
        thread::spawn(move || connection.read(&mut [0; 1]));
    }
}

/// Opens connections and forgets to close them.
fn leak() {
    let mut open = Vec::new();
    let started = Instant::now();
    while started.elapsed() < LONGEST {
        if open.len() < LEAKED {
            open.extend(TcpStream::connect(SERVER).ok());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Opens a connection for each request, and closes it at once.
fn churn() {
    let started = Instant::now();
    while started.elapsed() < LONGEST {
        drop(TcpStream::connect(SERVER));
        thread::sleep(Duration::from_millis(125));
    }
}
