//! `vm`: the scenarios on every kernel of the matrix, each in a virtual machine.

mod accelerator;
mod apt;
mod console;
mod cpio;
mod initramfs;
mod kernels;
mod matrix;
mod package;
mod qemu;
#[cfg(test)]
mod scratch;
mod version;

use std::{fs, num::NonZero, thread, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use self::{
    accelerator::Accelerator,
    initramfs::Common,
    kernels::{Kernel, MATRIX, Series},
    matrix::Matrix,
};
pub(crate) use self::{apt::KEYRING, qemu::QEMU};
use crate::{
    binaries::{self, Binaries},
    counts::Counts,
    setup::{self, Need},
    workspace::Workspace,
};

/// Arguments of `cargo xtask vm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this series (`5.10`, ..., `newest`); may be given more than once.
    #[arg(long, value_name = "SERIES")]
    kernel: Vec<String>,
    /// List the matrix and what is in the cache; run nothing.
    #[arg(long)]
    list: bool,
    /// Only this way to attach; each in turn when not given.
    #[arg(long)]
    way: Option<Way>,
    /// How many VMs at a time.
    #[arg(long, default_value = "2")]
    jobs: NonZero<usize>,
    /// Seconds that one VM may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 1400)]
    timeout: u64,
    /// Look for newer kernels than those in the cache.
    #[arg(long)]
    refresh: bool,
    /// What a second is inside.
    #[arg(long, value_enum, default_value = "time")]
    clock: Clock,
    /// Load no kernel modules: without those of sock_diag, portex reads /proc/net/tcp.
    #[arg(long)]
    without_modules: bool,
    /// Only scenarios whose name contains one of these.
    filter: Vec<String>,
}

/// A way to attach that the VMs test; the third, tracepoint, is tested on the host.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    Trampoline,
    Kprobe,
}

/// By what a VM tells the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Clock {
    Time,
    /// Emulated, and every instruction takes a nanosecond: CPU times that `churn` prints are counts of
    /// instructions then, whatever else the host does.
    Instructions,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            kernel: Vec::new(),
            list: false,
            way: None,
            jobs: NonZero::new(2).unwrap_or(NonZero::<usize>::MIN),
            timeout: 1400,
            refresh: false,
            clock: Clock::Time,
            without_modules: false,
            filter: Vec::new(),
        }
    }
}

impl Args {
    fn series(&self) -> Result<Vec<Series>> {
        if self.kernel.is_empty() {
            return Ok(MATRIX.to_vec());
        }
        self.kernel.iter().map(|name| Series::named(name)).collect()
    }

    /// What init reads from the kernel's command line.
    fn init_options(&self) -> Result<String> {
        let mut words = Vec::new();
        if let Some(way) = self.way {
            let name = way.to_possible_value().context("a way without a name")?;
            words.push(format!("portex.way={}", name.get_name()));
        }
        if self.without_modules {
            words.push("portex.modules=no".to_owned());
        }
        if !self.filter.is_empty() {
            let whole = |part: &String| !part.contains([' ', ',', '"', '\n']);
            ensure!(
                self.filter.iter().all(whole),
                "a filter goes over the kernel's command line: no spaces, commas or quotes in it"
            );
            words.push(format!("portex.filter={}", self.filter.join(",")));
        }
        Ok(words.join(" "))
    }
}

/// Runs the command.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<Counts> {
    if args.list {
        list(workspace, &args.series()?);
        return Ok(Counts::NONE);
    }
    // Downloads use no processor, compiling uses no network.
    let (kernels, binaries) = thread::scope(|scope| {
        let kernels = scope.spawn(|| fetch(workspace, args));
        let binaries = binaries::build(workspace);
        (kernels.join(), binaries)
    });
    let kernels = kernels.ok().context("fetching kernels broke off")??;
    boot(workspace, args, kernels, &binaries?)
}

/// A kernel for each series asked for, or why there is none.
pub(crate) type Kernels = Vec<(Series, Result<Kernel>)>;

/// Fetches the kernels that are not in the cache.
pub(crate) fn fetch(workspace: &Workspace, args: &Args) -> Result<Kernels> {
    let series = args.series()?;
    let kernels = kernels::obtain(workspace, &series, args.refresh);
    Ok(series.into_iter().zip(kernels).collect())
}

/// Boots every kernel, prints results and table, and counts. A kernel that could not be had counts
/// as failed.
pub(crate) fn boot(
    workspace: &Workspace,
    args: &Args,
    kernels: Kernels,
    binaries: &Binaries,
) -> Result<Counts> {
    setup::ensure(workspace, Need::Qemu)?;
    let folder = workspace.target("vm");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let _lock = crate::workspace::lock(&folder.join("lock"))?;
    let some_kernel = kernels.iter().find_map(|(_, kernel)| kernel.as_ref().ok());
    let accelerator = match some_kernel {
        _ if args.clock == Clock::Instructions => Accelerator::Counting,
        Some(kernel) => Accelerator::choose(kernel, &folder),
        None => Accelerator::Emulation,
    };
    println!(
        "{} VMs, {} at a time, by {accelerator}",
        kernels.len(),
        args.jobs
    );
    let matrix = Matrix {
        accelerator,
        initramfs: Common::new(binaries)?,
        logs: folder,
        options: args.init_options()?,
        timeout: Duration::from_secs(args.timeout),
    };
    let rows = matrix.run(kernels, args.jobs.get());
    println!("\n{}", matrix::table(&rows));
    let counts: Counts = rows.iter().map(|row| row.counts).sum();
    if counts == Counts::NONE {
        bail!("no scenario matches {}", args.filter.join(", "));
    }
    Ok(counts)
}

fn list(workspace: &Workspace, series: &[Series]) {
    for series in series {
        let kernel = kernels::cached(workspace, *series);
        let version = kernel.map_or_else(|| "not fetched yet".to_owned(), |kernel| kernel.version);
        println!("{:<8} {:<18} {version}", series.name, series.suite);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_go_to_init() {
        let args = Args {
            way: Some(Way::Kprobe),
            filter: vec!["connect".into(), "time_wait".into()],
            ..Args::default()
        };
        assert_eq!(
            args.init_options().ok().as_deref(),
            Some("portex.way=kprobe portex.filter=connect,time_wait")
        );
        let args = Args {
            without_modules: true,
            ..Args::default()
        };
        assert_eq!(
            args.init_options().ok().as_deref(),
            Some("portex.modules=no")
        );
        let args = Args {
            filter: vec!["a b".into()],
            ..Args::default()
        };
        assert!(args.init_options().is_err());
    }
}
