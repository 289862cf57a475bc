//! TCP connects on loopback as fast as they go, or at a rate: what a tracer costs is measured on it.
//!
//! Each thread is client and server at once, and has a table of descriptors of its own: nothing is
//! waited for, handed over or locked, so that the kernel's own work is nearly all there is. Nothing
//! is told per connection either; at the end there is one line of JSON.
//!
//! ```text
//! mod          the command line, the namespace's settings, the clock
//! counted      what the threads count while they run, and the line at the end
//! ends         listeners, sockets, and how they are closed
//! one_by_one   socket, connect, accept, close, close
//! batches      the same for many at once, nonblocking, by epoll
//! failing      connects that find no port
//! ```

mod batches;
mod counted;
mod ends;
mod failing;
mod one_by_one;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::ValueEnum;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::UnshareFlags;

use self::counted::{Counter, Reading, Report};
use self::ends::Ends;
use crate::sys;

/// The first ephemeral port; listeners are below.
const FIRST_PORT: u16 = 10_000;
/// Ports where they shall run out: a search that finds nothing looks at all of them.
const FEW_PORTS: u16 = 500;
const FIRST_LISTENER: u16 = 1024;
const LAST_LISTENER: u16 = 9_999;

/// How late it may be seen that the time is over.
const TICK: Duration = Duration::from_millis(2);
/// All of it ends long before the process is killed.
const MOST_SECONDS: f64 = 180.0;

#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// How long, after the warm-up.
    #[arg(long)]
    seconds: f64,
    /// What is done in the seconds before counts in the totals only.
    #[arg(long, default_value_t = 0.3)]
    warm_up: f64,
    /// No more connects than so many, whatever the time.
    #[arg(long, default_value_t = 10_000_000)]
    connects: u64,
    #[arg(long, default_value_t = 2)]
    threads: u16,
    /// Listeners of each thread, used in turn.
    #[arg(long, default_value_t = 8)]
    destinations: u16,
    /// Ephemeral ports, but for `--failing`.
    #[arg(long, default_value_t = 55_536, value_parser = clap::value_parser!(u16).range(1..=55_536))]
    ports: u16,
    #[arg(long, value_enum, default_value = "fin")]
    close: Close,
    #[arg(long, value_enum, default_value = "4")]
    family: Family,
    /// Nonblocking connects in batches, with epoll for the outcome and for accept.
    #[arg(long, conflicts_with_all = ["hold", "failing", "rate"])]
    epoll: bool,
    /// Each thread keeps its latest connections open, so many of them.
    #[arg(long, default_value_t = 0)]
    hold: usize,
    /// Use all ports up first, then connect in vain.
    #[arg(long, conflicts_with = "hold")]
    failing: bool,
    /// Connects per second of all threads together; 0: as many as can be.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Do not take ports over from connections in TIME_WAIT (`tcp_tw_reuse` 0).
    #[arg(long)]
    no_recycling: bool,
}

/// How the client closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Close {
    /// First, into TIME_WAIT.
    Fin,
    /// With a reset (`SO_LINGER` 0).
    Rst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Family {
    #[value(name = "4")]
    V4,
    #[value(name = "6")]
    V6,
}

/// What every thread looks at between two connections.
struct Shared<'a> {
    args: &'a Args,
    counter: &'a Counter,
    over: &'a AtomicBool,
    /// Connects of this thread at most.
    most: u64,
    begin: Instant,
}

impl Shared<'_> {
    /// Whether there is time and number for one more.
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed) && self.counter.all() < self.most
    }

    /// Waits until the next one is due, by the clock: what one is late, the next makes up for.
    fn pace(&self) {
        if self.args.rate > 0.0 {
            let each = f64::from(self.args.threads) / self.args.rate;
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            let due = Duration::from_secs_f64(self.counter.all() as f64 * each);
            thread::sleep(due.saturating_sub(self.begin.elapsed()));
        }
    }
}

/// Runs it, in the network namespace that the process has entered.
pub(crate) fn run(args: &Args) -> Result<()> {
    check(args)?;
    configure(args)?;
    println!("{}", serde_json::to_string(&churn(args)?)?);
    Ok(())
}

fn check(args: &Args) -> Result<()> {
    let seconds = args.warm_up + args.seconds;
    ensure!(
        args.warm_up >= 0.0 && args.seconds > 0.0 && seconds <= MOST_SECONDS,
        "the time must be more than 0 and at most {MOST_SECONDS} s"
    );
    ensure!(args.rate >= 0.0 && args.rate.is_finite(), "a rate below 0");
    ensure!(args.threads > 0, "no threads");
    let listeners = u32::from(args.threads) * u32::from(args.destinations);
    let room = u32::from(LAST_LISTENER - FIRST_LISTENER) + 1;
    ensure!(
        (1..=room).contains(&listeners),
        "there must be 1 to {room} listeners"
    );
    Ok(())
}

fn configure(args: &Args) -> Result<()> {
    let set = |name: &str, value: &str| {
        let path = format!("/proc/sys/net/ipv4/{name}");
        fs::write(&path, value).with_context(|| format!("cannot write {value:?} to {path}"))
    };
    sys::loopback_up().context("cannot set the loopback interface up")?;
    let ports = if args.failing { FEW_PORTS } else { args.ports };
    let last = FIRST_PORT + (ports - 1);
    set("ip_local_port_range", &format!("{FIRST_PORT} {last}"))?;
    // No TIME_WAIT is left out because there are too many.
    set("tcp_max_tw_buckets", "4000000")?;
    if args.no_recycling {
        set("tcp_tw_reuse", "0")?;
    }
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, highest).context("cannot raise the limit of open files")
}

/// All threads from the beginning to the end, and what they did between two readings.
fn churn(args: &Args) -> Result<Report> {
    let counters: Vec<Counter> = (0..args.threads).map(|_| Counter::default()).collect();
    let over = AtomicBool::new(false);
    let begin = Instant::now();
    let most = args.connects / u64::from(args.threads);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .zip(&counters)
            .map(|(number, counter)| {
                let shared = Shared {
                    args,
                    counter,
                    over: &over,
                    most,
                    begin,
                };
                scope.spawn(move || {
                    // Also when it panics.
                    let _finish = Finish(counter);
                    one_thread(&shared, number)
                })
            })
            .collect();
        let all_done = || counters.iter().all(Counter::finished);
        let wait = |until: Duration| {
            let end = Instant::now() + until;
            while !all_done() && Instant::now() < end {
                thread::sleep(TICK.min(end.saturating_duration_since(Instant::now())));
            }
        };
        // Where ports must be used up first, the time begins after that.
        while !counters.iter().all(|c| c.ready() || c.finished()) {
            thread::sleep(TICK);
        }
        wait(Duration::from_secs_f64(args.warm_up));
        let first = Reading::take(&counters);
        wait(Duration::from_secs_f64(args.seconds));
        let last = Reading::take(&counters);
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Report::of(&first, &last, &counters)
    })
}

/// Says that a thread has ended.
struct Finish<'a>(&'a Counter);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn one_thread(shared: &Shared<'_>, number: u16) -> Result<()> {
    // SAFETY: this thread has opened no descriptors, and those that it inherited it does not close.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FILES) }
        .context("cannot have descriptors of its own")?;
    let args = shared.args;
    let ends = Ends::new(args, FIRST_LISTENER + number * args.destinations)?;
    if args.failing {
        failing::run(shared, &ends)
    } else if args.epoll {
        batches::run(shared, &ends)
    } else {
        one_by_one::run(shared, &ends)
    }
}
