//! The promise of `exact`: so many connects succeed, and the next one finds no port.
//!
//! Namespaces are brought into states made from seeds; portex looks; then each space is filled until
//! a connect fails.

use std::fmt;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::fact::{Fact, Filled};
use crate::load::Load;
use crate::netns::NetNs;
use crate::parallel::each;
use crate::procnet::{Held, held, ports};
use crate::runner::Context;
use crate::snapshot::{self, Snapshot, Space, Watch};

/// Scenes that one portex looks at. No TIME_WAIT may end before the last of them is filled.
const TOGETHER: u64 = 12;
/// Seeds on a real machine; `PORTEX_SEEDS=100..400` asks for others.
const SEEDS: Range<u64> = 1..49;
const SEEDS_VARIABLE: &str = "PORTEX_SEEDS";
/// Seeds on an emulated one.
const FEW: Range<u64> = 1..13;

/// Older than that, a TIME_WAIT can be reused, if it ever can.
const REUSABLE: Duration = Duration::from_millis(2600);
/// Before the first TIME_WAIT of a scene ends.
const IN_TIME: u64 = 55_000;

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let seeds = seeds(context)?;
    let mut sum = Sum::default();
    let mut begin = seeds.start;
    let mut watching = true;
    while begin < seeds.end {
        // On an emulated machine, half of them each way.
        let together = if context.emulated {
            TOGETHER / 2
        } else {
            TOGETHER
        };
        let end = seeds.end.min(begin + together);
        batch(context, begin..end, watching, &mut sum)?;
        begin = end;
        watching = !watching;
    }
    println!("port_space: {sum}");
    sum.is_enough()
}

fn seeds(context: &Context<'_>) -> Result<Range<u64>> {
    if context.emulated {
        return Ok(FEW);
    }
    let Ok(text) = std::env::var(SEEDS_VARIABLE) else {
        return Ok(SEEDS);
    };
    let (begin, end) = text
        .split_once("..")
        .with_context(|| format!("{SEEDS_VARIABLE}={text} is no range such as 1..100"))?;
    Ok(begin.parse()?..end.parse()?)
}

/// How the rows fared.
#[derive(Default)]
struct Sum {
    exact: usize,
    /// Not exact, but a lower bound.
    bounds: usize,
    /// Of these, those of an odd range: which of its ends a search leaves out cannot be known.
    odd: usize,
    /// Of the exact ones, those of a range of their own.
    own_ranges: usize,
    /// The machine was so slow that TIME_WAITs ended meanwhile.
    too_late: usize,
}

impl Sum {
    /// The promise is made where it can be kept, so that all this is no empty talk.
    /// Where it could be known, it must have been, in more than half of the cases.
    fn is_enough(&self) -> Result<()> {
        let knowable = self.exact + self.bounds - self.odd;
        let wanted = knowable.div_ceil(2);
        ensure!(self.exact >= wanted.max(1), "too few: {self}");
        Ok(())
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            exact,
            bounds,
            odd,
            own_ranges,
            too_late,
        } = self;
        write!(
            formatter,
            "{exact} exact ({own_ranges} of them with a range of their own), {bounds} lower bounds \
             ({odd} of odd ranges), {too_late} too late to be judged"
        )
    }
}

/// A namespace in some state.
struct Scene {
    seed: u64,
    netns: NetNs,
    load: Load,
    notes: Vec<String>,
    rows: Vec<Held>,
}

fn batch(context: &Context<'_>, seeds: Range<u64>, watching: bool, sum: &mut Sum) -> Result<()> {
    let more = if watching { "--own-ranges" } else { "" };
    let mut scenes = each(seeds, |seed| {
        let netns = NetNs::new()?;
        let load = Load::start(&netns, &format!("scene --seed {seed} {more}"))?;
        Ok(Scene {
            seed,
            netns,
            load,
            notes: Vec::new(),
            rows: Vec::new(),
        })
    })?;
    let watch = watching.then(|| Watch::start(context, &[])).transpose()?;
    each(&mut scenes, |scene| {
        for fact in scene.load.facts()? {
            if let Fact::Note { what } = fact {
                scene.notes.push(what);
            }
        }
        scene.rows = held(&scene.netns)?;
        Ok(())
    })?;
    thread::sleep(REUSABLE);
    let snapshot = match watch {
        Some(watch) => watch.finish()?,
        None => snapshot::take(context, &[])?,
    };
    let filled = each(&mut scenes, |scene| scene.load.facts())?;
    for (scene, facts) in scenes.iter().zip(filled) {
        for fact in facts {
            let Fact::Filled(filled) = fact else { continue };
            judge(&snapshot, scene, &filled, sum).map_err(|error| {
                let notes = scene.notes.join("\n  ");
                let seed = scene.seed;
                anyhow!("seed {seed}, watching {watching}: {error:#}\n{filled:?}\n  {notes}")
            })?;
        }
    }
    Ok(())
}

fn judge(snapshot: &Snapshot, scene: &Scene, filled: &Filled, sum: &mut Sum) -> Result<()> {
    if filled.oldest_wait_ms.is_some_and(|age| age > IN_TIME) {
        sum.too_late += 1;
        return Ok(());
    }
    let rows: Vec<&Space> = snapshot
        .spaces_of(scene.netns.inode())
        .filter(|space| {
            (space.src, space.dst, space.dst_port)
                == (filled.src, filled.dst.ip(), filled.dst.port())
                && (space.range, space.own_range, space.dev) == (filled.range, filled.own_range, 0)
        })
        .collect();
    if rows.is_empty() {
        let all = snapshot.spaces_of(scene.netns.inode());
        let all: Vec<_> = all.map(|space| format!("{space:?}")).collect();
        bail!("no such row among\n{}", all.join("\n"));
    }
    // Different ranges of their own may come to the same.
    rows.into_iter()
        .try_for_each(|space| judge_row(space, scene, filled, sum))
}

fn judge_row(space: &Space, scene: &Scene, filled: &Filled, sum: &mut Sum) -> Result<()> {
    let reserved = u32::try_from(filled.reserved.len())?;
    let size = u32::from(filled.range.1 - filled.range.0) + 1;
    let (certain, all) = listed(scene, filled)?;
    let between = |value, low, high| (low..=high).contains(&value);
    ensure!(
        space.capacity == size - reserved
            && between(space.used, certain.0, all.0)
            && between(space.time_wait, certain.1, all.1),
        "the kernel lists ports and TIME_WAITs {all:?}, outbound for certain {certain:?}: {space:?}"
    );
    if space.exact {
        sum.exact += 1;
        sum.own_ranges += usize::from(filled.own_range);
        ensure!(space.free == filled.connects, "not exactly: {space:?}");
    } else {
        sum.bounds += 1;
        sum.odd += usize::from(size % 2 == 1);
        ensure!(space.free <= filled.connects, "not that many: {space:?}");
    }
    Ok(())
}

/// How many ports of the space the kernel lists, and how many of them in `TIME_WAIT`: without those
/// that could be a listener's, and with them.
fn listed(scene: &Scene, filled: &Filled) -> Result<((u32, u32), (u32, u32))> {
    let (low, high) = filled.range;
    let is_of = |held: &Held| {
        let port = held.local.port();
        (held.local.ip(), held.remote) == (filled.src, filled.dst)
            && (low..=high).contains(&port)
            && !filled.reserved.contains(&port)
    };
    let is_outbound = |held: &Held| {
        let mut listeners = scene.rows.iter();
        !listeners.any(|other| held.may_be_from(other))
    };
    let certain = ports(&scene.rows, |held| is_of(held) && is_outbound(held))?;
    Ok((certain, ports(&scene.rows, is_of)?))
}
