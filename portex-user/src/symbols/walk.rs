//! The addresses of a stack, from what was captured of it.

use crate::event::Capture;

use super::{
    files::Files,
    image::Image,
    maps::{self, Code},
    unwinder::{Registers, Step, Unwinder},
};

/// Addresses of a stack at most, as the kernel has it (`PERF_MAX_STACK_DEPTH`).
pub const MOST_FRAMES: usize = 127;

/// How a stack ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// With the first function of the thread.
    Whole,
    /// The captured bytes of the stack end here.
    Cut,
    /// There is no unwind information, or it leads nowhere.
    #[default]
    Lost,
    /// It goes on beyond [`MOST_FRAMES`].
    Deep,
}

/// The addresses, innermost first, and how sure they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Walked {
    pub(super) addresses: Vec<u64>,
    pub(super) end: End,
    /// The first of the addresses that were found by frame pointers alone.
    pub(super) by_pointers: Option<usize>,
}

/// Unwinds; goes on by frame pointers where the unwind information ends too early.
pub(super) fn walk(
    image: &Image,
    files: &mut Files,
    blind: &mut Unwinder,
    capture: &Capture,
) -> Walked {
    let mut walked = if capture.ip == 0 {
        Walked::default()
    } else {
        unwind(image, files, blind, capture)
    };
    if matches!(walked.end, End::Cut | End::Lost) {
        go_on(&mut walked, image, &capture.user);
    }
    walked
}

fn unwind(image: &Image, files: &mut Files, blind: &mut Unwinder, capture: &Capture) -> Walked {
    let mut registers = Registers::new(capture.ip, capture.sp, capture.bp);
    let mut addresses = vec![capture.ip];
    let mut address = capture.ip;
    let mut cut = false;
    let mut read = |at: u64| {
        let word = at
            .checked_sub(capture.sp)
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| capture.stack.get(at..)?.first_chunk());
        cut |= word.is_none() && at >= capture.sp;
        word.copied().map(u64::from_le_bytes).ok_or(())
    };
    let end = loop {
        if addresses.len() >= MOST_FRAMES {
            break End::Deep;
        }
        let first = addresses.len() == 1;
        let before = registers.sp();
        let step = match in_file(image, files, address) {
            Some((unwinder, address)) => unwinder.step(address, first, &mut registers, &mut read),
            None => blind.step(address, first, &mut registers, &mut read),
        };
        address = match step {
            Step::To(address) => address,
            Step::End => break End::Whole,
            Step::Lost => break End::Lost,
        };
        // A caller lies further up, and is code: a step by a wrong rule ends here.
        if registers.sp() <= before || !image.has(address.wrapping_sub(1)) {
            break End::Lost;
        }
        addresses.push(address);
    };
    Walked {
        addresses,
        end: if end == End::Lost && cut {
            End::Cut
        } else {
            end
        },
        by_pointers: None,
    }
}

/// What unwinds out of the code at an address, and the address as the file has it.
fn in_file<'a>(
    image: &Image,
    files: &'a mut Files,
    address: u64,
) -> Option<(&'a mut Unwinder, u64)> {
    let mapping = maps::at(&image.maps, address)?;
    let Code::File(id) = mapping.code else {
        return None;
    };
    let held = files.get(id)?;
    let address = held.elf()?.address(mapping.in_file(address))?;
    Some((files.unwinder(id)?, address))
}

/// Appends what follows the last address in the stack by frame pointers.
fn go_on(walked: &mut Walked, image: &Image, user: &[u64]) {
    let rest = match walked.addresses.last() {
        None => user,
        Some(last) => {
            let Some(at) = user.iter().position(|address| address == last) else {
                return;
            };
            user.get(at + 1..).unwrap_or_default()
        }
    };
    let room = MOST_FRAMES - walked.addresses.len();
    // Where mappings are not known, nothing can be told from chance.
    let is_code = |address: &&u64| image.maps.is_empty() || image.has(address.saturating_sub(1));
    let before = walked.addresses.len();
    if image.gone.is_some() {
        walked.addresses.extend(rest.iter().take(room));
    } else {
        let rest = rest.iter().take(room).take_while(is_code);
        walked.addresses.extend(rest);
    }
    if walked.addresses.len() > before {
        walked.by_pointers = Some(before);
    }
}
