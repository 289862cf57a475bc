//! What threads may do that need less than the rest, or nothing. What is kept after loading is told
//! in `kernel/privileges.rs`.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// Keeps what `/proc` of other users' processes needs: executables and open files.
pub(crate) fn keep_for_proc() {
    told(keep(&[
        Capability::CAP_SYS_PTRACE,
        Capability::CAP_DAC_READ_SEARCH,
    ]));
}

/// Keeps what naming the frames of other users' processes needs: `/proc` of these, their mapped files
/// even if they were deleted since, and the kernel's symbols.
pub(crate) fn keep_for_stacks() {
    told(keep(&[
        Capability::CAP_SYS_PTRACE,
        Capability::CAP_DAC_READ_SEARCH,
        Capability::CAP_CHECKPOINT_RESTORE,
        Capability::CAP_SYSLOG,
    ]));
}

/// Keeps what BPF statistics need: CAP_SYS_ADMIN to switch them on, which stands for CAP_BPF too; where
/// there is none, and somebody else has them on, CAP_BPF to read them (before 5.19 every `bpf()` call needs it).
pub(crate) fn keep_for_statistics() {
    told(keep(&[Capability::CAP_SYS_ADMIN, Capability::CAP_BPF]));
}

/// Keeps no capability: who reads what others wrote (an answer from the network, a recording) needs
/// none.
pub(crate) fn keep_none() {
    told(keep(&[]));
}

/// Of those that the calling thread has.
fn keep(wanted: &[Capability]) -> Result<(), CapsError> {
    let held = caps::read(None, CapSet::Permitted)?;
    let wanted = wanted.iter().copied();
    let kept: CapsHashSet = wanted.filter(|cap| held.contains(cap)).collect();
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

fn told(kept: Result<(), CapsError>) {
    if let Err(error) = kept {
        log::warn!("capabilities of a thread are not given up: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_what_it_needs_and_other_threads_all() {
        let held = || caps::read(None, CapSet::Permitted).expect("readable");
        let before = held();
        let on_thread = |keep: fn()| {
            let thread = std::thread::spawn(move || {
                keep();
                caps::read(None, CapSet::Permitted).expect("readable")
            });
            thread.join().expect("no panic")
        };
        assert_eq!(on_thread(keep_none), CapsHashSet::new());
        let proc = [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH];
        let expected = proc
            .into_iter()
            .filter(|cap| before.contains(cap))
            .collect();
        assert_eq!(on_thread(keep_for_proc), expected);
        assert_eq!(held(), before);
    }
}
