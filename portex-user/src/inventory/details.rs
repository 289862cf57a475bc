//! What `/proc` says about one process, for who looks at it more closely.
//!
//! All of it is chosen by others: names, arguments, the number of files. What is read is bounded; that
//! reading may hang (the arguments are in the process's own memory) is for the caller to bear: see
//! `lookup/`.

use std::{
    fs::File,
    io::{self, Read as _},
    time::Duration,
};

use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};

use super::{
    cgroups, names, owners,
    processes::{Directory, Stat},
};
use crate::details::ProcessDetails;

/// What is read of the arguments, in bytes, and how many there are at most.
const ARGUMENTS: u64 = 4_096;
const MOST_ARGUMENTS: usize = 256;
/// What is read of a file of some lines, such as `limits`.
const LINES: u64 = 4_096;
/// Open files beyond these are not counted.
const MOST_FILES: u64 = 100_000;
/// What is read of the list of users, in bytes, and how long a name may be: `useradd` has it so.
const USERS: u64 = 1 << 20;
const LONGEST_USER: usize = 32;

/// Looks a process up; see [`ProcessDetails`] for what may not be known. Of other users' processes,
/// the executable and the open files need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
///
/// One that ends meanwhile is not alive: nothing is told of it, and nothing of another process that
/// gets its id.
pub fn process(pid: u32) -> ProcessDetails {
    look(pid).unwrap_or_else(|_| ProcessDetails {
        pid,
        ..ProcessDetails::default()
    })
}

/// The same of the process that began then, in clock ticks since boot, cut to 32 bits (0: whenever);
/// of another one that has its id by now, nothing is told.
pub fn process_since(pid: u32, start: u32) -> ProcessDetails {
    look_at(pid, (start != 0).then_some(start)).unwrap_or_else(|_| ProcessDetails {
        pid,
        ..ProcessDetails::default()
    })
}

fn look(pid: u32) -> io::Result<ProcessDetails> {
    look_at(pid, None)
}

fn look_at(pid: u32, since: Option<u32>) -> io::Result<ProcessDetails> {
    let directory = Directory::open(pid)?;
    let stat = directory.stat()?;
    #[expect(clippy::cast_possible_truncation, reason = "as it is meant")]
    let began = stat.start as u32;
    if since.is_some_and(|since| since != began) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let uid = directory.read_beginning("status", LINES);
    let uid = uid.ok().and_then(|status| owners::real_uid(&status));
    let parent = parent(&stat);
    let cgroups = cgroups::all_of_process(&directory);
    let details = ProcessDetails {
        pid,
        alive: true,
        exe: directory.target("exe").ok(),
        cmdline: arguments(&directory),
        parent: None,
        user: uid.map(|uid| (uid, user_of(uid))),
        cgroup: cgroups::of_process(&directory).map(Into::into),
        container: cgroups.iter().find_map(|path| names::from_cgroup(path)),
        age: age(&stat),
        threads: Some(stat.threads),
        files: files(&directory),
    };
    // It was there all the time. If it has the same parent still, that one was too.
    let now = directory.stat()?;
    Ok(ProcessDetails {
        parent: parent.filter(|(id, _)| *id == now.parent),
        ..details
    })
}

fn parent(stat: &Stat) -> Option<(u32, Vec<u8>)> {
    let id = stat.parent;
    if id == 0 {
        return None; // Of the first process, and of one from another pid namespace.
    }
    Some((id, Directory::open(id).ok()?.stat().ok()?.comm))
}

/// Empty for kernel threads and zombies, which have none.
fn arguments(directory: &Directory) -> Vec<Vec<u8>> {
    let text = directory.read_beginning("cmdline", ARGUMENTS);
    split(&text.unwrap_or_default())
}

/// Each argument ends with a NUL; the last may be cut, or be overwritten by the process.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    if text.is_empty() {
        return Vec::new();
    }
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    let arguments = text.split(|&byte| byte == 0).take(MOST_ARGUMENTS);
    arguments.map(<[u8]>::to_vec).collect()
}

/// The start counts from boot, with the time of suspend, as `CLOCK_BOOTTIME` does
/// (`task_struct.start_boottime`).
fn age(stat: &Stat) -> Option<Duration> {
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).ok()?;
    let ticks = clock_ticks_per_second().max(1);
    let whole = Duration::from_secs(stat.start / ticks);
    let rest = Duration::from_secs(stat.start % ticks).as_nanos() / u128::from(ticks);
    let rest = Duration::from_nanos(u64::try_from(rest).ok()?);
    Some(now.saturating_sub(whole.saturating_add(rest)))
}

fn files(directory: &Directory) -> Option<(u64, u64)> {
    let open = directory.count("fd", MOST_FILES).ok()?;
    let limits = directory.read_beginning("limits", LINES).ok()?;
    Some((open, file_limit(&limits)?))
}

/// In `/proc/PID/limits` the first of the two: `Max open files  1024  524288  files`.
fn file_limit(limits: &[u8]) -> Option<u64> {
    let line = limits
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Max open files"))?;
    let soft = str::from_utf8(line).ok()?.split_ascii_whitespace().next()?;
    match soft {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn user_of(uid: u32) -> Option<String> {
    let mut users = Vec::new();
    let file = File::open("/etc/passwd").ok()?;
    file.take(USERS).read_to_end(&mut users).ok()?;
    user_in(&users, uid)
}

/// Lines such as `name:x:1000:…` (passwd(5)).
fn user_in(users: &[u8], uid: u32) -> Option<String> {
    users.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next()?;
        let number = str::from_utf8(fields.nth(1)?).ok()?;
        let fits = (1..=LONGEST_USER).contains(&name.len());
        (fits && number.parse() == Ok(uid)).then(|| String::from_utf8_lossy(name).into_owned())
    })
}

#[cfg(test)]
mod tests;
