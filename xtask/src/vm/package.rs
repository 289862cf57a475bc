//! What is taken out of a kernel's packages: the kernel, and modules that the scenarios need.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::process;

/// Names of the modules behind `NETLINK_SOCK_DIAG` for TCP; each needs the ones before it.
pub(super) const MODULES: [&str; 2] = ["inet_diag.ko", "tcp_diag.ko"];

/// Unpacks a package into a folder, beside what others left there.
pub(super) fn unpack(package: &Path, tree: &Path) -> Result<()> {
    process::output(Command::new("dpkg-deb").arg("-x").args([package, tree])).map(drop)
}

/// The kernel in an unpacked package: in /boot, and from 6.19 on beside its modules.
pub(super) fn image(tree: &Path) -> Option<PathBuf> {
    let modules = versions(tree)
        .into_iter()
        .map(|folder| folder.join("vmlinuz"));
    let boot = entries(&tree.join("boot")).into_iter().filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    });
    boot.chain(modules).find(|path| path.is_file())
}

/// Moves those of [`MODULES`] that an unpacked package holds to a folder, decompressed. A kernel with
/// the feature built in, or without it, has none.
pub(super) fn take_modules(tree: &Path, folder: &Path) -> Result<()> {
    for name in MODULES {
        let Some(found) = module(tree, name) else {
            continue;
        };
        let plain = if found.extension().is_some_and(|kind| kind == "xz") {
            process::output(Command::new("xz").arg("--decompress").arg(&found))?;
            found.with_extension("")
        } else {
            found
        };
        fs::rename(&plain, folder.join(name))
            .with_context(|| format!("taking {name} out of its package"))?;
    }
    Ok(())
}

/// A module of IPv4's folder: compressed from 6.12 on.
fn module(tree: &Path, name: &str) -> Option<PathBuf> {
    versions(tree)
        .into_iter()
        .map(|folder| folder.join("kernel/net/ipv4"))
        .flat_map(|folder| [folder.join(name), folder.join(format!("{name}.xz"))])
        .find(|path| path.is_file())
}

/// The folders of modules, one for each version of the kernel that is in the packages.
fn versions(tree: &Path) -> Vec<PathBuf> {
    ["usr/lib/modules", "lib/modules"]
        .iter()
        .flat_map(|folder| entries(&tree.join(folder)))
        .collect()
}

/// What is in a folder; nothing when there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .map_or_else(|_| Vec::new(), Iterator::collect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::scratch;

    #[test]
    fn the_kernel_is_in_boot_or_beside_its_modules() -> Result<()> {
        let tree = scratch::Folder::new("image")?;
        tree.write("boot/config-6.12", "")?;
        assert_eq!(image(&tree), None);
        tree.write("usr/lib/modules/7.3/vmlinuz", "")?;
        assert_eq!(image(&tree), Some(tree.join("usr/lib/modules/7.3/vmlinuz")));
        tree.write("boot/vmlinuz-6.12", "")?;
        assert_eq!(image(&tree), Some(tree.join("boot/vmlinuz-6.12")));
        Ok(())
    }

    #[test]
    fn modules_are_found_in_both_places_and_both_forms() -> Result<()> {
        let tree = scratch::Folder::new("module")?;
        let plain = "lib/modules/5.10/kernel/net/ipv4/inet_diag.ko";
        let compressed = "usr/lib/modules/7.3/kernel/net/ipv4/tcp_diag.ko.xz";
        tree.write("lib/modules/5.10/kernel/net/ipv6/inet_diag.ko", "other")?;
        assert_eq!(module(&tree, "inet_diag.ko"), None);
        tree.write(plain, "")?;
        tree.write(compressed, "")?;
        assert_eq!(module(&tree, "inet_diag.ko"), Some(tree.join(plain)));
        assert_eq!(module(&tree, "tcp_diag.ko"), Some(tree.join(compressed)));
        Ok(())
    }

    #[test]
    fn only_modules_that_are_there_are_taken() -> Result<()> {
        let tree = scratch::Folder::new("take")?;
        let folder = tree.join("modules");
        fs::create_dir(&folder)?;
        take_modules(&tree, &folder)?;
        assert_eq!(entries(&folder), Vec::<PathBuf>::new());
        tree.write("lib/modules/6.1/kernel/net/ipv4/inet_diag.ko", "elf")?;
        take_modules(&tree, &folder)?;
        assert_eq!(entries(&folder), [folder.join("inet_diag.ko")]);
        assert_eq!(fs::read(folder.join("inet_diag.ko"))?, b"elf");
        Ok(())
    }
}
