//! What is mapped into a process, of `/proc/PID/maps`.

use std::{collections::HashSet, sync::Arc};

/// Lines of a file of mappings beyond these are not looked at: the kernel's own limit for a process
/// is `vm.max_map_count`, 65530 unless it was raised.
const MOST_LINES: usize = 65_536;
/// Executable mappings of one process; what comes later is not looked at.
pub(super) const MOST_MAPPINGS: usize = 16_384;
/// Bytes of their paths, each counted once: of further files, the path is left out.
const MOST_PATHS: usize = 4 << 20;
/// Bytes that are read of such a file.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// Identity of a file, as maps have it: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    /// The vdso of this kernel; no file has device 0xffff…
    pub(super) const VDSO: Self = Self {
        device: u64::MAX,
        inode: 0,
    };
}

/// What code of a mapping is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// A file, or the vdso.
    File(FileId),
    /// Compiled at run time.
    Jit,
    /// `[vsyscall]` and the like.
    Kernel,
}

/// One executable mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    /// The first address behind it.
    pub(super) end: u64,
    /// Of its beginning in the file.
    pub(super) offset: u64,
    pub(super) code: Code,
    /// As maps have it, without ` (deleted)`. Untrusted.
    pub(super) path: Arc<str>,
    pub(super) deleted: bool,
}

impl Mapping {
    /// Where an address in it lies in the file.
    pub(super) fn in_file(&self, address: u64) -> u64 {
        (address.wrapping_sub(self.start)).wrapping_add(self.offset)
    }
}

/// The executable mappings, by address. What is no line of maps is left out; so is what overlaps with
/// an earlier line.
pub(super) fn parse(text: &[u8]) -> Vec<Mapping> {
    let mut last = 0;
    let mut paths = Paths::default();
    text.split(|&byte| byte == b'\n')
        .take(MOST_LINES)
        .filter_map(|text| line(text, &mut paths))
        .filter(|mapping| {
            let follows = mapping.start >= last;
            last = if follows { mapping.end } else { last };
            follows
        })
        .take(MOST_MAPPINGS)
        .collect()
}

/// Bytes that mappings take, and their paths.
pub(super) fn size(maps: &[Mapping]) -> u64 {
    let mut seen = HashSet::new();
    let mut paths = 0;
    for mapping in maps {
        if seen.insert(Arc::as_ptr(&mapping.path).cast::<u8>()) {
            paths += mapping.path.len() + SHARED;
        }
    }
    u64::try_from(size_of_val(maps) + paths).unwrap_or(u64::MAX)
}

/// Of a path, beside its text: two counters.
const SHARED: usize = 16;

/// The paths of one process, each kept once.
#[derive(Default)]
struct Paths {
    known: HashSet<Arc<str>>,
    bytes: usize,
}

impl Paths {
    fn share(&mut self, path: &[u8]) -> Arc<str> {
        let path = String::from_utf8_lossy(path);
        if let Some(known) = self.known.get(&*path) {
            return Arc::clone(known);
        }
        let text = if self.bytes + path.len() + SHARED > MOST_PATHS {
            ""
        } else {
            &*path
        };
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        let path: Arc<str> = Arc::from(text);
        self.bytes += path.len() + SHARED;
        self.known.insert(Arc::clone(&path));
        path
    }
}

/// `55d0…-55d1… r-xp 00001000 fd:01 1234   /usr/bin/app`, when it is executable.
fn line(line: &[u8], paths: &mut Paths) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let end = rest.iter().position(|&byte| byte == b' ');
        let (field, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.trim_ascii_start();
        str::from_utf8(field).ok()
    };
    let (start, end) = field()?.split_once('-')?;
    let executable = field()?.as_bytes().get(2) == Some(&b'x');
    let (offset, device, inode) = (field()?, field()?, field()?);
    let (start, end) = (hex(start)?, hex(end)?);
    if !executable || start >= end {
        return None;
    }
    let (major, minor) = device.split_once(':')?;
    let id = FileId {
        device: hex(major)?.checked_shl(32)? | hex(minor)?,
        inode: inode.parse().ok()?,
    };
    let path = rest.get(..rest.len().min(super::stack::LONGEST))?;
    let (path, deleted) = match path.strip_suffix(b" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    };
    Some(Mapping {
        start,
        end,
        offset: hex(offset)?,
        code: code(path, id, end - start),
        path: paths.share(path),
        deleted,
    })
}

fn code(path: &[u8], id: FileId, size: u64) -> Code {
    match path {
        b"[vdso]" => Code::File(FileId {
            inode: size,
            ..FileId::VDSO
        }),
        [b'[', rest @ ..]
            if !rest.starts_with(b"anon") && rest != b"heap]" && rest != b"stack]" =>
        {
            Code::Kernel
        }
        // Compilers at run time map memory of their own as often as nothing.
        [b'/', rest @ ..]
            if id.inode != 0
                && !rest.starts_with(b"memfd:")
                && !rest.starts_with(b"dev/zero")
                && !rest.starts_with(b"SYSV") =>
        {
            Code::File(id)
        }
        _ => Code::Jit,
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

/// The mapping that an address lies in.
pub(super) fn at(maps: &[Mapping], address: u64) -> Option<&Mapping> {
    let after = maps.partition_point(|mapping| mapping.start <= address);
    let mapping = maps.get(after.checked_sub(1)?)?;
    (address < mapping.end).then_some(mapping)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"\
00400000-00401000 r--p 00000000 fd:01 12                                 /usr/bin/a b (deleted)
00401000-00402000 r-xp 00001000 fd:01 12                                 /usr/bin/a b (deleted)
7f0000000000-7f0000010000 rwxp 00000000 00:00 0 
7f0000020000-7f0000021000 r-xp 00000000 00:05 77                         /memfd:jit (deleted)
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn lines_are_told_apart() {
        let maps = parse(TEXT);
        let codes: Vec<Code> = maps.iter().map(|mapping| mapping.code).collect();
        let file = FileId {
            device: 0xfd << 32 | 1,
            inode: 12,
        };
        let vdso = FileId {
            inode: 0x2000,
            ..FileId::VDSO
        };
        let expected = [
            Code::File(file),
            Code::Jit,
            Code::Jit,
            Code::File(vdso),
            Code::Kernel,
        ];
        assert_eq!(codes, expected);
        assert_eq!((&*maps[0].path, maps[0].deleted), ("/usr/bin/a b", true));
        assert_eq!(maps[0].in_file(0x0040_1234), 0x1234);
    }

    #[test]
    fn an_address_is_found_where_it_lies() {
        let maps = parse(TEXT);
        assert_eq!(at(&maps, 0x0040_0fff), None);
        assert_eq!(at(&maps, 0x0040_1000), maps.first());
        assert_eq!(at(&maps, 0x0040_1fff), maps.first());
        assert_eq!(at(&maps, 0x0040_2000), None);
        assert_eq!(at(&maps, u64::MAX), None);
        assert_eq!(at(&maps, 0), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}", cut in 0..500_usize) {
            parse(text.as_bytes());
            parse(&TEXT[..cut.min(TEXT.len())]);
        }

        #[test]
        fn mappings_do_not_overlap(lines in proptest::collection::vec((0..64_u64, 0..64_u64), 0..20)) {
            let lines: Vec<String> = lines
                .iter()
                .map(|(start, end)| format!("{start:x}-{end:x} r-xp 0 0:0 0 "))
                .collect();
            let text = lines.join("\n");
            let maps = parse(text.as_bytes());
            for pair in maps.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
            for mapping in &maps {
                prop_assert_eq!(at(&maps, mapping.start), Some(mapping));
            }
        }
    }
}
