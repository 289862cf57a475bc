//! The first file system of a VM: init, the program that it tests, places to mount on, and modules of
//! the VM's kernel.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};

use super::{cpio::Archive, kernels::Kernel, package::MODULES};
use crate::binaries::Binaries;

/// What every VM has.
#[derive(Debug)]
pub(super) struct Common(Archive);

impl Common {
    /// Reads the programs.
    pub(super) fn new(binaries: &Binaries) -> Result<Self> {
        let mut archive = Archive::default();
        for name in ["dev", "modules", "proc", "run", "sys", "tmp"] {
            archive.folder(name)?;
        }
        archive.device("dev/console", 5, 1)?;
        for (name, path) in [("init", &binaries.tests), ("portex", &binaries.portex)] {
            let program = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            archive.program(name, &program)?;
        }
        Ok(Self(archive))
    }

    /// Writes the archive of one kernel to a file.
    pub(super) fn write(&self, kernel: &Kernel, to: &Path) -> Result<()> {
        let mut archive = self.0.clone();
        for name in MODULES {
            let path = kernel.modules.join(name);
            match fs::read(&path) {
                Ok(module) => archive.file(&format!("modules/{name}"), &module)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("reading {}", path.display()));
                }
            }
        }
        fs::write(to, archive.finish()?).with_context(|| format!("writing {}", to.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::scratch;

    #[test]
    fn a_kernel_gets_its_own_modules() -> Result<()> {
        let folder = scratch::Folder::new("initramfs")?;
        for name in [
            "tests",
            "portex",
            "modules/inet_diag.ko",
            "modules/other.ko",
        ] {
            folder.write(name, &format!("content of {name}"))?;
        }
        let common = Common::new(&Binaries {
            portex: folder.join("portex"),
            tests: folder.join("tests"),
        })?;
        let kernel = Kernel {
            image: folder.join("vmlinuz"),
            modules: folder.join("modules"),
            version: "6.12.117-1".to_owned(),
        };
        let path = folder.join("cpio");
        common.write(&kernel, &path)?;
        let archive = String::from_utf8(fs::read(&path)?)?;
        let has = |text: &str| archive.contains(text);
        assert!(has("content of tests") && has("content of portex"));
        assert!(has("content of modules/inet_diag.ko"));
        assert!(!has("tcp_diag.ko") && !has("other.ko"));
        Ok(())
    }
}
