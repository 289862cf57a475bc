//! Names of kernel code, of `/proc/kallsyms`.

use std::{
    fs::File,
    io::{BufReader, Read as _},
    sync::Arc,
    time::{Duration, Instant},
};

use super::stack::bounded;

/// Bytes that are read: a kernel of all modules has about 20 MiB.
const MOST: u64 = 128 << 20;
/// A function that is longer is none: the address is of a module that came later.
const LONGEST: u64 = 1 << 20;
/// How often it is read anew for such an address: that takes a tenth of a second.
const AGAIN: Duration = Duration::from_secs(60);
/// What perf calls the kernel itself.
const KERNEL: &str = "[kernel.kallsyms]";

/// The functions of the kernel.
#[derive(Default)]
pub(super) struct Kallsyms {
    read: Option<Instant>,
    /// By address: where the name begins in `names`; it ends with a line feed.
    functions: Vec<(u64, u32)>,
    names: String,
}

/// A function of the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: Arc<str>,
    pub(super) module: Arc<str>,
    pub(super) start: u64,
}

impl Kallsyms {
    /// The function that an address is in.
    pub(super) fn at(&mut self, address: u64, now: Instant) -> Option<Function> {
        let found = self.find(address);
        let lately = |read| now.duration_since(read) < AGAIN;
        if found.is_some() || self.read.is_some_and(lately) {
            return found;
        }
        *self = Self::default();
        self.read = Some(now);
        if let Ok(file) = File::open("/proc/kallsyms") {
            self.parse(BufReader::new(file.take(MOST)));
        }
        self.find(address)
    }

    /// Whether the kernel told no addresses (`kernel.kptr_restrict`, or no CAP_SYSLOG).
    pub(super) fn hidden(&self) -> bool {
        self.functions.is_empty()
    }

    fn parse(&mut self, mut file: impl std::io::BufRead) {
        let mut line = String::new();
        while let Ok(1..) = file.read_line(&mut line) {
            self.line(&line);
            line.clear();
        }
        self.functions.sort_unstable();
    }

    /// `ffffffff81000000 T name`, and `[module]` behind a tab; of functions.
    fn line(&mut self, line: &str) -> Option<()> {
        let (address, rest) = line.trim_end().split_once(' ')?;
        let (kind, name) = rest.split_once(' ')?;
        let address = u64::from_str_radix(address, 16).ok()?;
        if address == 0 || !matches!(kind, "t" | "T" | "w" | "W") {
            return None;
        }
        let at = u32::try_from(self.names.len()).ok()?;
        self.names.push_str(name);
        self.names.push('\n');
        self.functions.push((address, at));
        Some(())
    }

    fn find(&self, address: u64) -> Option<Function> {
        let after = self
            .functions
            .partition_point(|(start, _)| *start <= address);
        let &(start, at) = self.functions.get(after.checked_sub(1)?)?;
        if address - start >= LONGEST {
            return None;
        }
        let line = self
            .names
            .get(usize::try_from(at).ok()?..)?
            .lines()
            .next()?;
        let (name, module) = line.split_once('\t').unwrap_or((line, KERNEL));
        Some(Function {
            name: bounded(name),
            module: bounded(module.trim()),
            start,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
ffffffff81000010 T tcp_v4_connect
ffffffff81000000 t inet_hash_connect
ffffffff81000008 D a_datum
0000000000000000 T hidden
ffffffffc0000000 t nf_nat_packet	[nf_nat]
nonsense
";

    fn of(text: &str) -> Kallsyms {
        let mut kallsyms = Kallsyms::default();
        kallsyms.parse(text.as_bytes());
        kallsyms
    }

    fn name(kallsyms: &Kallsyms, address: u64) -> Option<(String, String)> {
        let found = kallsyms.find(address)?;
        Some((found.name.to_string(), found.module.to_string()))
    }

    #[test]
    fn functions_are_found() {
        let kallsyms = of(TEXT);
        let kernel = |name: &str| Some((name.to_owned(), KERNEL.to_owned()));
        assert_eq!(name(&kallsyms, 0xffff_ffff_80ff_ffff), None);
        assert_eq!(
            name(&kallsyms, 0xffff_ffff_8100_000f),
            kernel("inet_hash_connect")
        );
        assert_eq!(
            name(&kallsyms, 0xffff_ffff_8100_0010),
            kernel("tcp_v4_connect")
        );
        assert_eq!(
            name(&kallsyms, 0xffff_ffff_c000_0001),
            Some(("nf_nat_packet".into(), "[nf_nat]".into()))
        );
        assert_eq!(name(&kallsyms, u64::MAX), None, "far from any");
        assert!(!kallsyms.hidden());
    }

    #[test]
    fn addresses_that_are_hidden_are_none() {
        assert!(of("0000000000000000 T tcp_v4_connect\n").hidden());
    }
}
