//! What is loaded in the kernel: programs and maps, by id.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aya::maps::MapInfo;
use aya::programs::ProgramInfo;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
}

impl Loaded {
    pub(crate) fn now() -> Result<Self> {
        let programs = ids(aya::programs::loaded_programs(), ProgramInfo::id)?;
        let maps = ids(aya::maps::loaded_maps(), MapInfo::id)?;
        Ok(Self { programs, maps })
    }

    /// How many programs and maps there are now that were not there then.
    pub(crate) fn new_since(&self) -> Result<(usize, usize)> {
        let now = Self::now()?;
        let programs = now.programs.difference(&self.programs).count();
        let maps = now.maps.difference(&self.maps).count();
        Ok((programs, maps))
    }

    /// Waits a little for all new ones to be gone: the kernel frees them after a grace period.
    pub(crate) fn wait_for_nothing_new(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let (programs, maps) = self.new_since()?;
            if programs == 0 && maps == 0 {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("{programs} programs and {maps} maps are left in the kernel");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Runs of each loaded program, by its id: the kernel counts them while BPF statistics are on.
pub(crate) struct Runs(BTreeMap<u32, u64>);

impl Runs {
    pub(crate) fn now() -> Result<Self> {
        let mut runs = BTreeMap::new();
        for program in aya::programs::loaded_programs() {
            match program {
                Ok(program) => _ = runs.insert(program.id(), program.run_count()),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self(runs))
    }

    /// Whether any program's runs were counted since.
    pub(crate) fn have_grown(&self) -> Result<bool> {
        let now = Self::now()?;
        let mut both = self
            .0
            .iter()
            .filter_map(|(id, runs)| Some((runs, now.0.get(id)?)));
        Ok(both.any(|(before, after)| after > before))
    }
}

/// The ids of what was listed; what goes away during the listing is no error.
fn ids<T, E: Error + Send + Sync + 'static>(
    listed: impl Iterator<Item = Result<T, E>>,
    id: impl Fn(&T) -> u32,
) -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    for item in listed {
        match item {
            Ok(item) => _ = ids.insert(id(&item)),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ids)
}

fn is_gone(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        || error.source().is_some_and(is_gone)
}
