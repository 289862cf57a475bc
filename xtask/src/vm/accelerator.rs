//! KVM where it works, else emulation.

use std::{
    fmt,
    fs::OpenOptions,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    kernels::Kernel,
    qemu::{Boot, End},
};

/// What executes a VM's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Emulation,
    /// Emulation whose clock is the number of instructions that were executed, a nanosecond each: times
    /// that are measured inside are counts, whatever else the host does.
    Counting,
}

impl Accelerator {
    /// QEMU's arguments for it.
    pub(super) const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["-accel", "kvm", "-cpu", "host", "-smp", "2"],
            // One host thread for all processors: with one for each, kernels that patch their code while
            // another processor runs it stumble over half of it or wait for ever, some in a hundred runs of
            // all scenarios; and it is no slower. QEMU 7.2 emulates cmpxchg16b in a way that crashes a
            // 6.12 kernel.
            Self::Emulation => &[
                "-accel",
                "tcg,thread=single",
                "-cpu",
                "max,-cx16",
                "-smp",
                "2",
            ],
            // One processor: a second one's instructions would count on the first one's clock too.
            Self::Counting => &[
                "-accel",
                "tcg,thread=single",
                "-cpu",
                "max,-cx16",
                "-smp",
                "1",
                "-icount",
                "shift=0",
            ],
        }
    }

    /// KVM if it can boot this kernel. That the device opens is not enough: inside some virtual
    /// machines it does and then cannot run a guest.
    pub(super) fn choose(kernel: &Kernel, logs: &Path) -> Self {
        let opens = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok();
        if opens && boots(&kernel.image, &logs.join("kvm.log")) {
            Self::Kvm
        } else {
            Self::Emulation
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Emulation => "emulation (no usable KVM)",
            Self::Counting => "emulation, by a clock that counts instructions",
        })
    }
}

/// Without an initramfs a kernel comes as far as missing its root, which ends QEMU.
fn boots(kernel: &Path, log: &PathBuf) -> bool {
    let boot = Boot {
        accelerator: Accelerator::Kvm,
        kernel,
        initramfs: None,
        options: "",
        log,
        timeout: Duration::from_secs(10),
    };
    boot.run().is_ok_and(|booted| {
        booted.end == End::PoweredOff
            && String::from_utf8_lossy(&booted.console).contains("Kernel panic")
    })
}
