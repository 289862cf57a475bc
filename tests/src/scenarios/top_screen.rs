//! `portex top` in a real terminal: what it shows is what the workloads did, and every key does its part.

use anyhow::{Context as _, Result, ensure};

use super::on_screen::OnScreen;
use super::split;
use crate::load::Load;
use crate::netns::NetNs;
use crate::runner::Context;
use crate::screen::{Screen, Size};

const SIZE: Size = (120, 40);

/// Where the workloads listen: ports without a name, in the order of their danger.
pub(super) const FULL: &str = "127.0.0.1:31001";
pub(super) const HALF: &str = "127.0.0.1:31002";
pub(super) const FEW: &str = "127.0.0.1:31003";
const LATE: &str = "127.0.0.1:31004";

/// Headings.
const USED: &str = "USED/ALL";

/// Processes that hold ports of one namespace, and portex on the screen beside them.
pub(super) struct Scene {
    netns: NetNs,
    full: Load,
    half: Load,
    few: Load,
    pub(super) top: OnScreen,
}

impl Scene {
    pub(super) fn new(context: &Context<'_>, variables: &[(&str, &str)]) -> Result<Self> {
        let netns = NetNs::with_ports(40_000, 40_099)?;
        let load = |dst, name, more| {
            let arguments = format!("connect --dst {dst} --comm {name} {more}");
            Load::start(&netns, &arguments)
        };
        let mut full = load(FULL, "full-load", "--failures 3")?;
        let mut half = load(HALF, "half-load", "--count 60")?;
        let mut few = load(FEW, "few-load", "--count 20")?;
        let arguments = format!("top -d 0.5 --netns {}", netns.inode());
        let top = OnScreen::start(context, &arguments, SIZE, variables)?;
        split(&full.step()?, 100, 3)?;
        split(&half.step()?, 60, 0)?;
        split(&few.step()?, 20, 0)?;
        Ok(Self {
            netns,
            full,
            half,
            few,
            top,
        })
    }

    /// Presses keys, and waits for what they are to bring.
    pub(super) fn press(
        &self,
        keys: &[&str],
        what: &str,
        wanted: impl Fn(&Screen) -> bool,
    ) -> Result<Screen> {
        self.top.terminal.keys(keys)?;
        let seen = self.top.terminal.wait_for(what, wanted);
        seen.with_context(|| format!("after {}", keys.join(" ")))
    }

    /// Waits until the list of spaces has what the workloads did.
    pub(super) fn spaces(&self) -> Result<Screen> {
        self.top
            .terminal
            .wait_for("what the workloads did", |screen| {
                has(screen, FULL, &[(USED, "100/100")])
                    && has(screen, HALF, &[(USED, "60/100")])
                    && has(screen, FEW, &[(USED, "20/100")])
            })
    }
}

pub(super) fn run(context: &Context<'_>) -> Result<()> {
    let scene = Scene::new(context, &[])?;
    scene.top.has_taken_the_terminal()?;
    shows(&scene).context("what is shown")?;
    lists(&scene).context("lists")?;
    sorts(&scene).context("sorting")?;
    filters(&scene).context("filtering")?;
    drills_down(&scene).context("details")?;
    helps(&scene).context("help")?;
    holds_still(&scene).context("pause")?;
    resizes(&scene).context("sizes")?;
    scene.top.quit()
}

/// Whether in a table the row with a text has these values under these headings.
fn has(screen: &Screen, text: &str, values: &[(&str, &str)]) -> bool {
    let Some(table) = values
        .first()
        .and_then(|(heading, _)| screen.table(heading))
    else {
        return false;
    };
    let is = |(heading, value): &(&str, &str)| table.cell(text, heading).as_deref() == Some(value);
    values.iter().all(is)
}

/// Whether the spaces to these destinations, and no others of the scene, are listed in this order.
pub(super) fn spaces_are(screen: &Screen, dsts: &[&str]) -> bool {
    let Some(table) = screen.table(USED) else {
        return false;
    };
    let others = [FULL, HALF, FEW]
        .into_iter()
        .filter(|dst| !dsts.contains(dst));
    table.in_order(dsts) && others.map(|dst| table.count(dst)).sum::<usize>() == 0
}

/// Figures and names of what the workloads themselves saw.
fn shows(scene: &Scene) -> Result<()> {
    let screen = scene.spaces()?;
    ensure!(
        spaces_are(&screen, &[FULL, HALF, FEW]),
        "the most endangered first:\n{screen}"
    );
    for (dst, free, load) in [
        (FULL, "0", &scene.full),
        (HALF, "40", &scene.half),
        (FEW, "80", &scene.few),
    ] {
        let values = [("FREE", free), ("TW", "0")];
        // Of the owner, the name may have no room.
        let pid = format!("{})", load.pid());
        let owner = screen.table(USED).and_then(|table| table.row(dst));
        ensure!(
            owner.is_some_and(|row| row.ends_with(&pid)),
            "{dst}: not {pid}:\n{screen}"
        );
        ensure!(
            has(&screen, dst, &values),
            "{dst}: not {values:?}:\n{screen}"
        );
    }
    let uname = rustix::system::uname();
    for part in [uname.nodename(), uname.release()] {
        let part = part.to_string_lossy();
        ensure!(screen.contains(&part), "no {part} in the header:\n{screen}");
    }
    scene.top.loads()
}

/// Each list has its own rows of the same.
fn lists(scene: &Scene) -> Result<()> {
    let loads = [
        (&scene.full, "full-load", "100", "3"),
        (&scene.half, "half-load", "60", "0"),
        (&scene.few, "few-load", "20", "0"),
    ];
    scene.press(&["2"], "processes", |screen| {
        loads.iter().all(|(load, name, ports, failed)| {
            let pid = load.pid().to_string();
            has(
                screen,
                name,
                &[("PORTS", ports), ("PID", &pid), ("FAILED", failed)],
            )
        })
    })?;
    scene.press(&["3"], "three failures", |screen| {
        let failures = screen.table("ERRNO");
        failures.is_some_and(|failures| failures.count("range_exhausted") == 3)
    })?;
    let inode = scene.netns.inode().to_string();
    scene.press(&["4"], "the namespace", |screen| {
        has(
            screen,
            &inode,
            &[("FAILED", "3"), ("PORTS", "180"), ("SPACES", "3")],
        )
    })?;
    scene.press(&["5"], "no pool", |screen| {
        screen.contains("[5 ") && screen.table("ERRNO").is_none()
    })?;
    scene.press(&["1"], "spaces", |screen| {
        spaces_are(screen, &[FULL, HALF, FEW])
    })?;
    Ok(())
}

/// The other way round, by the column that is chosen, and as at the start.
fn sorts(scene: &Scene) -> Result<()> {
    let falling = |screen: &Screen| spaces_are(screen, &[FULL, HALF, FEW]);
    let rising = |screen: &Screen| spaces_are(screen, &[FEW, HALF, FULL]);
    let by = |screen: &Screen, heading: &str| screen.contains(&format!("by {heading}"));
    scene.press(&["r"], "the least endangered first", rising)?;
    scene.press(&["0"], "the most endangered first", falling)?;
    scene.press(&["s"], "a menu", |screen| screen.contains("Sort by"))?;
    scene.press(&["g", "Enter"], "the order of namespaces", |screen| {
        by(screen, "NETNS") && !screen.contains("Sort by")
    })?;
    scene.press(&[">"], "that of sources", |screen| by(screen, "SOURCE"))?;
    scene.press(&[">"], "that of destinations", |screen| {
        by(screen, "DESTINATION") && falling(screen)
    })?;
    scene.press(&["r"], "the other way round", rising)?;
    scene.press(&["<"], "that of sources", |screen| by(screen, "SOURCE"))?;
    scene.press(&["0"], "that of danger", |screen| {
        falling(screen) && screen.contains("danger first")
    })?;
    Ok(())
}

/// Only rows with all the words, while they are typed and afterwards.
fn filters(scene: &Scene) -> Result<()> {
    scene.top.terminal.keys(&["/"])?;
    scene.top.terminal.write("half")?;
    let typed = |screen: &Screen| {
        screen
            .lines()
            .last()
            .is_some_and(|line| line.contains("/half"))
    };
    scene.press(&[], "only what has the word", |screen| {
        typed(screen) && spaces_are(screen, &[HALF])
    })?;
    scene.press(&["Enter"], "the same, kept", |screen| {
        !typed(screen) && spaces_are(screen, &[HALF])
    })?;
    scene.press(&["Escape"], "all", |screen| {
        spaces_are(screen, &[FULL, HALF, FEW])
    })?;
    Ok(())
}

/// Into a space, to its ports, and out again.
fn drills_down(scene: &Scene) -> Result<()> {
    let owner = format!("half-load ({})", scene.half.pid());
    let space = |screen: &Screen| {
        screen.contains("Has 40 of 100 ports left")
            && screen.contains(&owner)
            && screen.table(USED).is_none()
    };
    let ports = |screen: &Screen| {
        ["60 in use", "40 free", "40000-40099"]
            .iter()
            .all(|text| screen.contains(text))
    };
    scene.press(&["g", "Down", "Enter"], "the space", |screen| {
        space(screen) && ports(screen)
    })?;
    scene.press(&["m"], "its ports and nothing else", |screen| {
        ports(screen) && !screen.contains(&owner)
    })?;
    scene.press(&["Escape"], "the space again", space)?;
    // Another way back.
    scene.press(&["q"], "the list", |screen| {
        spaces_are(screen, &[FULL, HALF, FEW])
    })?;
    Ok(())
}

fn helps(scene: &Scene) -> Result<()> {
    scene.press(&["?"], "the keys", |screen| {
        ["Order and filter", "Move", "PgDn"]
            .iter()
            .all(|text| screen.contains(text))
    })?;
    scene.press(&["Escape"], "the list", |screen| {
        spaces_are(screen, &[FULL, HALF, FEW])
    })?;
    Ok(())
}

/// What happens meanwhile is seen when it goes on.
fn holds_still(scene: &Scene) -> Result<()> {
    scene.press(&["p"], "that it is held", |screen| {
        screen.contains("PAUSED") && screen.contains(FEW)
    })?;
    let held = scene.top.terminal.screen()?;
    let arguments = format!("connect --dst {LATE} --count 7 --comm late-load");
    let mut late = Load::start(&scene.netns, &arguments)?;
    split(&late.step()?, 7, 0)?;
    // Of some frames that could have come.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let now = scene.top.terminal.screen()?;
    ensure!(now == held, "it does not stand still:\n{held}\n{now}");
    scene.press(&["p"], "what has happened meanwhile", |screen| {
        has(screen, LATE, &[(USED, "7/100")])
    })?;
    Ok(())
}

/// Whatever the size, it is filled and not overrun; drawn anew, it goes on.
fn resizes(scene: &Scene) -> Result<()> {
    let terminal = &scene.top.terminal;
    let before = terminal.screen()?;
    scene.press(&["C-l"], "another time of day", |screen| {
        *screen != before && screen.contains(FULL)
    })?;
    for size @ (columns, rows) in [(80, 24), (200, 50), (40, 10), SIZE] {
        terminal.resize(size)?;
        let what = format!("a list of {columns} columns and {rows} rows");
        terminal.wait_for(&what, |screen| {
            let lines = screen.lines().count();
            lines == usize::from(rows) && screen.contains("portex") && screen.contains("31001")
        })?;
    }
    Ok(())
}
