//! A writer of the cpio format "newc", in which a kernel takes its first file system.
//! The format: `Documentation/driver-api/early-userspace/buffer-format.rst` of the kernel.

use anyhow::{Context, Result};

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// An archive that grows by one entry at a time. A folder comes before what is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    /// Adds an empty folder.
    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        self.entry(name, FOLDER, (0, 0), &[])
    }

    /// Adds a file that is only read.
    pub(super) fn file(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.entry(name, FILE, (0, 0), content)
    }

    /// Adds a file that may be executed.
    pub(super) fn program(&mut self, name: &str, content: &[u8]) -> Result<()> {
        self.entry(name, PROGRAM, (0, 0), content)
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, name: &str, major: u32, minor: u32) -> Result<()> {
        self.entry(name, CHARACTER_DEVICE, (major, minor), &[])
    }

    /// Ends the archive and returns it.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        let size = u32::try_from(content.len())
            .with_context(|| format!("{name} is too large for an initramfs"))?;
        let name_size = u32::try_from(name.len() + 1).context("a name of 4 GiB")?;
        self.inode += 1;
        self.bytes.extend(b"070701");
        let (links, nobody) = (1, 0);
        for field in [
            self.inode, mode, nobody, nobody, links, /* mtime */ 0, size, 0, 0, device.0,
            device.1, name_size, /* check */ 0,
        ] {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry, read back by the format's rules.
    fn read(bytes: &[u8]) -> (String, Vec<u32>, &[u8], &[u8]) {
        let text = |range: std::ops::Range<usize>| str::from_utf8(&bytes[range]).unwrap();
        assert_eq!(text(0..6), "070701");
        let fields: Vec<_> = (0..13)
            .map(|field| text(6 + 8 * field..14 + 8 * field))
            .map(|digits| u32::from_str_radix(digits, 16).unwrap())
            .collect();
        let (size, name_size) = (fields[6] as usize, fields[11] as usize);
        let content = (110 + name_size).next_multiple_of(4);
        let end = content + size;
        (
            text(110..110 + name_size).to_owned(),
            fields,
            &bytes[content..end],
            &bytes[end.next_multiple_of(4)..],
        )
    }

    #[test]
    fn writes_newc() -> Result<()> {
        let mut archive = Archive::default();
        archive.folder("dev")?;
        archive.device("dev/console", 5, 1)?;
        archive.program("init", b"hello")?;
        archive.file("dev/note", b"some")?;
        let bytes = archive.finish()?;

        let (name, fields, content, rest) = read(&bytes);
        assert_eq!((name.as_str(), content), ("dev\0", b"".as_slice()));
        assert_eq!(fields, [1, 0o040_755, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0]);
        let (name, fields, _, rest) = read(rest);
        assert_eq!(name, "dev/console\0");
        assert_eq!(fields[1], 0o020_600);
        assert_eq!(fields[9..11], [5, 1]);
        let (name, fields, content, rest) = read(rest);
        assert_eq!((name.as_str(), content), ("init\0", b"hello".as_slice()));
        assert_eq!(fields[1], 0o100_755);
        let (name, fields, content, rest) = read(rest);
        assert_eq!((name.as_str(), content), ("dev/note\0", b"some".as_slice()));
        assert_eq!(fields[1], 0o100_644);
        let (name, _, _, rest) = read(rest);
        assert_eq!((name.as_str(), rest), ("TRAILER!!!\0", b"".as_slice()));
        Ok(())
    }
}
