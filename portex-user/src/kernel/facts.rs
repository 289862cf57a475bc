//! What this kernel and this process allow, found out before anything is loaded.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read as _},
    ops::Range,
    path::Path,
};

use caps::{CapSet, Capability};

use super::Error;

/// Where the kernel shows its type information.
pub const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
const LOCKDOWN_PATH: &str = "/sys/kernel/security/lockdown";

/// A kernel version, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
}

impl Version {
    /// The first with the BPF ring buffer, CAP_BPF and CAP_PERFMON.
    pub const OLDEST: Self = Self { major: 5, minor: 8 };
    /// From here on maps are charged to the memory cgroup, no longer to RLIMIT_MEMLOCK.
    pub const NO_MEMLOCK: Self = Self {
        major: 5,
        minor: 11,
    };

    /// From a release such as `6.1.0-42-cloud-amd64`.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }
}

/// How much the kernel keeps from root (`kernel_lockdown(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Not at all, or not known (securityfs not mounted).
    None,
    /// Kernel memory must not be changed.
    Integrity,
    /// Nor read.
    Confidentiality,
}

impl Lockdown {
    /// From the text of `/sys/kernel/security/lockdown`: the mode in force is in brackets.
    pub fn parse(text: &str) -> Self {
        if text.contains("[confidentiality]") {
            Self::Confidentiality
        } else if text.contains("[integrity]") {
            Self::Integrity
        } else {
            Self::None
        }
    }
}

/// Facts about kernel and process.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Release, as uname says.
    pub release: String,
    /// Its version; a release that does not begin with numbers has none.
    pub version: Option<Version>,
    /// Lockdown mode.
    pub lockdown: Lockdown,
    /// Effective capabilities that tracing needs and this process lacks.
    pub missing: Vec<&'static str>,
    /// Effective user id.
    pub uid: u32,
}

impl Facts {
    /// Finds them out.
    pub fn gather() -> Self {
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        Self {
            version: Version::parse(&release),
            release,
            lockdown: fs::read_to_string(LOCKDOWN_PATH)
                .map_or(Lockdown::None, |text| Lockdown::parse(&text)),
            missing: missing(&caps::read(None, CapSet::Effective).unwrap_or_default()),
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    /// Refuses what cannot work, the plainest reason first.
    pub fn check(&self) -> Result<(), Error> {
        if self
            .version
            .is_some_and(|version| version < Version::OLDEST)
        {
            return Err(Error::KernelTooOld {
                release: self.release.clone(),
            });
        }
        if !self.missing.is_empty() {
            return Err(Error::Capabilities {
                missing: self.missing.clone(),
                uid: self.uid,
            });
        }
        if self.lockdown == Lockdown::Confidentiality {
            return Err(Error::Lockdown);
        }
        Ok(())
    }
}

/// CAP_SYS_ADMIN stands for both of the capabilities that 5.8 split from it.
fn missing(effective: &caps::CapsHashSet) -> Vec<&'static str> {
    if effective.contains(&Capability::CAP_SYS_ADMIN) {
        return Vec::new();
    }
    [
        (Capability::CAP_BPF, "CAP_BPF"),
        (Capability::CAP_PERFMON, "CAP_PERFMON"),
    ]
    .into_iter()
    .filter(|(capability, _)| !effective.contains(capability))
    .map(|(_, name)| name)
    .collect()
}

/// Reads the kernel's type information.
pub fn read_btf(path: &Path) -> Result<Vec<u8>, Error> {
    read_sysfs(path).map_err(|error| Error::NoBtf {
        path: path.to_owned(),
        cause: error.to_string(),
    })
}

/// In one go, of the size that the file says it has: the default of growing by doubling copies
/// several megabytes more than once.
fn read_sysfs(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(size.min(64 << 20) + 1);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How far perf events are restricted (`perf_event_open(2)`); some distributions go to 3 and 4.
pub fn perf_event_paranoid() -> String {
    fs::read_to_string("/proc/sys/kernel/perf_event_paranoid")
        .map_or_else(|_| "an unknown value".into(), |text| text.trim().to_owned())
}

/// Whether this kernel can hook functions by kprobes: `perf_event_open(2)` of the `kprobe` event source.
/// True where nothing tells, as without sysfs.
pub fn has_kprobes() -> bool {
    let sources = Path::new("/sys/bus/event_source/devices");
    !sources.is_dir() || sources.join("kprobe").is_dir()
}

/// Functions of the kernel, without its modules', from `/proc/kallsyms`: it shows zeros without
/// CAP_SYSLOG. All of them, or `None`.
pub fn functions<const COUNT: usize>(names: [&str; COUNT]) -> Option<[Range<u64>; COUNT]> {
    let symbols = File::open("/proc/kallsyms").ok()?;
    find_functions(BufReader::with_capacity(1 << 16, symbols), names)
}

/// They end where the next one begins: the kernel lists its own in the order of addresses, then those
/// of modules.
fn find_functions<const COUNT: usize>(
    mut symbols: impl BufRead,
    names: [&str; COUNT],
) -> Option<[Range<u64>; COUNT]> {
    let mut found = [const { 0..0_u64 }; COUNT];
    let mut line = Vec::new();
    loop {
        line.clear();
        if !matches!(symbols.read_until(b'\n', &mut line), Ok(1..)) {
            return None;
        }
        // A symbol of a module has the module's name behind it.
        let Some(symbol) = Symbol::parse(&line) else {
            continue;
        };
        for (range, name) in found.iter_mut().zip(&names) {
            if range.start == 0 && symbol.name == name.as_bytes() {
                range.start = symbol.address;
            } else if range.start != 0 && range.end == 0 && symbol.address > range.start {
                range.end = symbol.address;
            }
        }
        if found.iter().all(|range| range.end != 0) {
            return Some(found);
        }
    }
}

/// A line of `/proc/kallsyms`, of the kernel itself.
struct Symbol<'a> {
    address: u64,
    name: &'a [u8],
}

impl<'a> Symbol<'a> {
    /// `ffffffff81000000 T name`; `None` of modules' and hidden ones.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (address, rest) = line.split_at_checked(16)?;
        // A blank, the type, a blank.
        let name = rest.get(3..)?;
        if name.contains(&b'\t') {
            return None;
        }
        let address = str::from_utf8(address).ok()?;
        let address = u64::from_str_radix(address, 16).ok()?;
        (address != 0).then_some(Self { address, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(release: &str) -> Facts {
        Facts {
            release: release.into(),
            version: Version::parse(release),
            lockdown: Lockdown::None,
            missing: Vec::new(),
            uid: 0,
        }
    }

    #[test]
    fn kernels_from_5_8_on_are_taken() {
        for release in ["5.8.0-63-generic", "5.10.223", "6.18.44-fc-v669", "7.3"] {
            assert!(facts(release).check().is_ok(), "{release}");
        }
        for release in ["4.19.0-27-amd64", "5.7.19", "2.6.78-6-cloud"] {
            let error = facts(release).check().expect_err(release).to_string();
            assert!(error.contains(release) && error.contains("5.8"), "{error}");
        }
    }

    #[test]
    fn an_odd_release_is_left_to_the_kernel_to_judge() {
        assert!(facts("custom").check().is_ok());
    }

    #[test]
    fn lockdown_is_what_stands_in_brackets() {
        let parse = Lockdown::parse;
        assert_eq!(parse("[none] integrity confidentiality\n"), Lockdown::None);
        assert_eq!(
            parse("none [integrity] confidentiality\n"),
            Lockdown::Integrity
        );
        assert_eq!(
            parse("none integrity [confidentiality]\n"),
            Lockdown::Confidentiality
        );
        let mut locked = facts("6.1");
        locked.lockdown = Lockdown::Confidentiality;
        assert!(matches!(locked.check(), Err(Error::Lockdown)));
    }

    #[test]
    fn two_capabilities_or_the_one_that_held_both() {
        let set = |caps: &[Capability]| caps.iter().copied().collect::<caps::CapsHashSet>();
        assert!(missing(&set(&[Capability::CAP_SYS_ADMIN])).is_empty());
        assert!(missing(&set(&[Capability::CAP_BPF, Capability::CAP_PERFMON])).is_empty());
        assert_eq!(missing(&set(&[Capability::CAP_BPF])), ["CAP_PERFMON"]);
        assert_eq!(missing(&set(&[])), ["CAP_BPF", "CAP_PERFMON"]);
    }

    #[test]
    fn functions_end_where_the_next_one_begins() {
        let symbols = "ffffffff81000000 t tw_timer_handler\t[other]\n\
                       ffffffff820089e0 t __pfx_tw_timer_handler\n\
                       ffffffff820089f0 t tw_timer_handler\n\
                       ffffffff820089f0 t alias\n\
                       ffffffff82008a50 T put\n\
                       ffffffff82008b00 t next\n";
        let find = |names| find_functions(symbols.as_bytes(), names);
        assert_eq!(
            find(["tw_timer_handler", "put"]),
            Some([
                0xffff_ffff_8200_89f0..0xffff_ffff_8200_8a50,
                0xffff_ffff_8200_8a50..0xffff_ffff_8200_8b00
            ])
        );
        assert_eq!(find(["tw_timer_handler", "absent"]), None);
        assert_eq!(find(["next", "put"]), None, "nothing behind it");
    }

    #[test]
    fn hidden_addresses_are_none() {
        let hidden = "0000000000000000 t put\n0000000000000000 t next\n";
        assert_eq!(find_functions(hidden.as_bytes(), ["put"]), None);
        assert_eq!(find_functions(&b"\xff\xfe\nshort\n"[..], ["put"]), None);
    }
}
