//! Why the kernel side could not be set up: what failed, why, and what to do.

use std::{fmt, io, path::PathBuf};

use super::Way;

/// Why tracing is not possible here.
#[derive(Debug)]
pub enum Error {
    /// The kernel is older than 5.8.
    KernelTooOld {
        /// Its release, as uname says.
        release: String,
    },
    /// Capabilities are missing.
    Capabilities {
        /// Their names.
        missing: Vec<&'static str>,
        /// Effective user id of this process.
        uid: u32,
    },
    /// The kernel has no type information.
    NoBtf {
        /// Where it was looked for.
        path: PathBuf,
        /// What came of it.
        cause: String,
    },
    /// A field that nothing works without is not in the kernel's type information.
    UnknownLayout {
        /// Struct and field.
        field: &'static str,
    },
    /// Lockdown in its confidentiality mode refuses what every tracer needs.
    Lockdown,
    /// Memory for maps was refused.
    MemoryLock {
        /// The limit in bytes that could not be raised.
        limit: u64,
    },
    /// There is not enough memory for maps.
    NoMemory {
        /// Sockets that were to be tracked.
        max_sockets: u32,
        /// Size of the ring buffer.
        ring_bytes: u32,
    },
    /// The way that was asked for does not work here.
    Way {
        /// Which.
        way: Way,
        /// Why not.
        cause: String,
    },
    /// No way works here.
    NoWay {
        /// Each way and why it does not work.
        causes: Vec<(Way, String)>,
    },
    /// The kernel refused the object file.
    Load(String),
    /// Something that should always work did not.
    Io {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// What to do about it.
    fn remedy(&self) -> String {
        match self {
            Self::KernelTooOld { .. } => "use a kernel from 5.8 on".into(),
            Self::Capabilities { missing, uid } => {
                let names = missing.join(",").to_lowercase();
                let grant =
                    format!("grant the binary what it needs: setcap {names}+ep $(command -v portex)");
                if *uid == 0 {
                    format!(
                        "this is root without them (a container?): add them to its capabilities, \
                         or {grant}"
                    )
                } else {
                    format!("run it as root (sudo portex ...), or {grant}")
                }
            }
            Self::NoBtf { .. } => "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every \
                 distribution's since about 2021); in a container, mount the host's /sys"
                .into(),
            Self::UnknownLayout { .. } => {
                "this kernel is laid out in a way that this version does not know: please report it \
                 with the output of uname -r"
                    .into()
            }
            Self::Lockdown => "boot without lockdown=confidentiality (integrity is fine); where \
                 Secure Boot sets it, that is the distribution's choice of mode"
                .into(),
            Self::MemoryLock { .. } => "before 5.11 the kernel counts maps against RLIMIT_MEMLOCK: \
                 raise it (ulimit -l unlimited, or LimitMEMLOCK=infinity in a unit), grant \
                 CAP_SYS_RESOURCE, or track fewer sockets (--max-sockets)"
                .into(),
            Self::NoMemory { .. } => "track fewer sockets (--max-sockets), use a smaller ring buffer \
                 (--ring-size), or raise the memory limit of this cgroup"
                .into(),
            Self::Way { way, .. } => match way {
                Way::Tracepoint => "use --attach auto".into(),
                Way::Trampoline | Way::Kprobe => {
                    "use --attach auto, which takes the best way that works".into()
                }
            },
            Self::NoWay { .. } | Self::Load(_) => {
                "run again with -v for the kernel's own words".into()
            }
            Self::Io { .. } => "see the reason given".into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KernelTooOld { release } => write!(
                f,
                "kernel {release} is older than 5.8, which brought the ring buffer that portex needs"
            )?,
            Self::Capabilities { missing, uid } => write!(
                f,
                "not allowed to load kernel programs: {} missing (running as uid {uid})",
                missing.join(" and ")
            )?,
            Self::NoBtf { path, cause } => write!(
                f,
                "the kernel's type information (BTF) cannot be read from {}: {cause}",
                path.display()
            )?,
            Self::UnknownLayout { field } => {
                write!(f, "the kernel's type information has no field {field}")?;
            }
            Self::Lockdown => f.write_str(
                "kernel lockdown is in confidentiality mode, which forbids kernel programs to read \
                 kernel memory",
            )?,
            Self::MemoryLock { limit } => write!(
                f,
                "no memory for maps: RLIMIT_MEMLOCK is {} KiB and could not be raised",
                limit / 1024
            )?,
            Self::NoMemory {
                max_sockets,
                ring_bytes,
            } => write!(
                f,
                "no memory for maps of {max_sockets} sockets and a ring buffer of {ring_bytes} bytes"
            )?,
            Self::Way { way, cause } => write!(f, "cannot attach by {way}: {cause}")?,
            Self::NoWay { causes } => {
                f.write_str("cannot attach to this kernel:")?;
                for (way, cause) in causes {
                    write!(f, "\n  by {way}: {cause}")?;
                }
            }
            Self::Load(cause) => write!(f, "the kernel refused the programs: {cause}")?,
            Self::Io { what, source } => write!(f, "{what}: {source}")?,
        }
        write!(f, "\n  what to do: {}", self.remedy())
    }
}

impl std::error::Error for Error {}
