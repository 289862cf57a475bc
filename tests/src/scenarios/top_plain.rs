//! `portex top` on terminals that show less: no colours, nothing beyond ASCII.

use anyhow::{Context as _, Result, ensure};

use super::top_screen::{FEW, FULL, HALF, Scene, spaces_are};
use crate::runner::Context;
use crate::screen::sets_color;

/// A terminal, and what is to be seen on it.
struct World {
    variables: &'static [(&'static str, &'static str)],
    color: bool,
    unicode: bool,
}

impl World {
    const ALL: [Self; 4] = [
        Self::new(&[], true, true),
        Self::new(&[("NO_COLOR", "1")], false, true),
        Self::new(&[("TERM", "vt100")], false, true),
        Self::new(&[("TERM", "dumb"), ("LC_ALL", "C")], false, false),
    ];

    const fn new(
        variables: &'static [(&'static str, &'static str)],
        color: bool,
        unicode: bool,
    ) -> Self {
        Self {
            variables,
            color,
            unicode,
        }
    }
}

/// Where there are no colours, or nothing beyond ASCII, it does without.
pub(super) fn run(context: &Context<'_>) -> Result<()> {
    for world in World::ALL {
        let scene = Scene::new(context, world.variables)?;
        let seen = list_and_ports(&scene).with_context(|| format!("{:?}", world.variables))?;
        let color = seen.lines().any(sets_color);
        ensure!(
            (color, !seen.is_ascii()) == (world.color, world.unicode),
            "{:?}: colours: {color}, beyond ASCII: {}:\n{seen}",
            world.variables,
            !seen.is_ascii()
        );
        scene.top.quit()?;
    }
    Ok(())
}

fn list_and_ports(scene: &Scene) -> Result<String> {
    scene.spaces()?;
    let list = scene.top.terminal.colored()?;
    scene.press(&["g", "Enter"], "a space", |screen| {
        screen.contains("Has none of 100 ports left")
    })?;
    scene.press(&["m"], "ports", |screen| {
        screen.contains("100 in use") && !screen.contains("Has none")
    })?;
    let ports = scene.top.terminal.colored()?;
    // One after the other: two at once could be another key.
    scene.press(&["Escape"], "the space", |screen| {
        screen.contains("Has none")
    })?;
    scene.press(&["Escape"], "the list", |screen| {
        spaces_are(screen, &[FULL, HALF, FEW])
    })?;
    Ok(list + &ports)
}
