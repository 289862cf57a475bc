use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use proptest::prelude::*;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::*;

const SCRIPT: &str = "echo; read line";

/// A shell that waits for the end of its standard input. Killed when dropped.
struct Waiting(Child);

impl Waiting {
    fn start(program: impl AsRef<OsStr>, more: &[&[u8]]) -> Self {
        let mut child = Command::new(program)
            .arg0("sh")
            .args(["-c", SCRIPT])
            .args(more.iter().map(|&argument| OsStr::from_bytes(argument)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        // Its arguments are in their place when it runs, not yet when execve() has closed what it
        // closes.
        let out = child.stdout.as_mut().expect("a pipe");
        out.read_exact(&mut [0]).expect("a line");
        Self(child)
    }

    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A copy of the shell under another name, in a directory of its own.
struct Copied(PathBuf);

impl Copied {
    fn new(name: &[u8]) -> Self {
        let name = OsStr::from_bytes(name);
        let unique = format!("portex-details-{}", std::process::id());
        let directory = std::env::temp_dir().join(unique);
        fs::create_dir_all(&directory).expect("a directory");
        let copy = directory.join(name);
        fs::copy("/bin/sh", &copy).expect("a shell");
        Self(copy)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let directory = self.0.parent().expect("one");
        let _gone = fs::remove_dir_all(directory);
    }
}

#[test]
fn the_own_process_is_told() {
    let told = process(std::process::id());
    assert!(told.alive);
    assert_eq!(told.pid, std::process::id());
    let exe = std::env::current_exe().expect("known");
    let exe = fs::canonicalize(exe).expect("there");
    assert_eq!(told.exe.as_deref(), Some(exe.as_os_str().as_bytes()));
    let first = std::env::args_os().next().expect("a name");
    assert_eq!(told.cmdline[0], first.as_bytes());
    assert_eq!(
        told.parent.expect("a parent").0,
        std::os::unix::process::parent_id()
    );
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(told.user.expect("a user").0, uid);
    assert!(told.threads >= Some(2), "one for each test");
    let (open, limit) = told.files.expect("seen");
    assert!(open >= 3, "{open}");
    let soft = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    assert_eq!(limit, soft.unwrap_or(u64::MAX));
}

#[test]
fn a_child_is_told() {
    let child = Waiting::start("/bin/sh", &[b"x", b"", b"y z"]);
    let told = process(child.id());
    assert_eq!(
        told.cmdline,
        [&b"sh"[..], b"-c", SCRIPT.as_bytes(), b"x", b"", b"y z"]
    );
    assert_eq!(told.threads, Some(1));
    let listed = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("readable");
    let listed = u64::try_from(listed.count()).expect("small");
    assert!(listed >= 3);
    assert_eq!(told.files.expect("seen").0, listed);
    let (parent, name) = told.parent.expect("this one");
    assert_eq!(parent, std::process::id());
    let own = fs::read("/proc/self/comm").expect("readable");
    assert_eq!(Some(name.as_slice()), own.strip_suffix(b"\n"));
    let age = told.age.expect("told");
    let older = process(std::process::id()).age.expect("told");
    assert!(age < older && older < Duration::from_secs(1_000_000));
}

#[test]
fn a_hostile_process_is_told_all_the_same() {
    // Its name pretends to be what follows a name in `stat`, and another line of `status`.
    let copy = Copied::new(b"a) R 1\nUid:\t7\x1b[2J");
    let long = vec![b'x'; 100_000];
    let invalid = b"\xff\x1b]0;evil\x07".as_slice();
    let mut more = vec![invalid; 300];
    more.insert(0, b"\n");
    more.push(&long);
    let child = Waiting::start(&copy.0, &more);
    fs::remove_file(&copy.0).expect("there");
    let told = process(child.id());
    assert!(told.alive);
    let exe = told.exe.expect("seen");
    assert!(exe.ends_with(b"\x1b[2J (deleted)"), "{exe:?}");
    assert_eq!(told.cmdline.len(), MOST_ARGUMENTS);
    assert_eq!(told.cmdline[4], invalid);
    assert_eq!(told.parent.expect("one").0, std::process::id());
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(told.user.expect("a user").0, uid);
    assert_eq!(told.threads, Some(1));
    drop(child);

    let long = Waiting::start("/bin/sh", &[&long]);
    let told = process(long.id());
    let bytes: usize = told.cmdline.iter().map(|argument| argument.len() + 1).sum();
    assert_eq!(told.cmdline.len(), 4);
    assert!(
        (4_000..=4_097).contains(&bytes),
        "only the beginning: {bytes}"
    );
}

#[test]
fn of_who_has_ended_nothing_is_told() {
    let mut child = Waiting::start("/bin/sh", &[]);
    let pid = child.id();
    child.0.kill().expect("alive");
    // It is a zombie until it is waited for.
    let raw = Pid::from_raw(i32::try_from(pid).expect("small")).expect("not 0");
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(raw), options).expect("a child");
    let told = process(pid);
    assert!(told.alive);
    assert_eq!((told.exe, told.cmdline), (None, Vec::new()));
    drop(child);
    let nothing = ProcessDetails {
        pid,
        ..ProcessDetails::default()
    };
    assert_eq!(process(pid), nothing);
    assert!(!process(u32::MAX).alive);
}

#[test]
fn arguments_are_told_apart() {
    let split = |text: &[u8]| split(text).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(split(b""), Vec::<usize>::new());
    assert_eq!(split(b"\0"), [0]);
    assert_eq!(split(b"a\0bc\0\0d"), [1, 2, 0, 1]);
    assert_eq!(split(b"nginx: worker"), [13]);
}

#[test]
fn users_are_found_by_number() {
    let long = "x".repeat(33);
    let users = format!("root:x:0:0::/root:/bin/sh\n\nodd\n{long}:x:5:5::/:/\na:b:5\nc:x:-1\n");
    let user = |uid| user_in(users.as_bytes(), uid);
    assert_eq!(user(0).as_deref(), Some("root"));
    assert_eq!(user(5).as_deref(), Some("a"));
    assert_eq!(user(7), None);
    assert_eq!(user(u32::MAX), None);
}

#[test]
fn the_soft_limit_of_files_is_the_first() {
    let limits = b"Limit  Soft Limit  Hard Limit  Units\n\
        Max open files            1024                 524288               files     \n";
    assert_eq!(file_limit(limits), Some(1_024));
    let unlimited = b"Max open files  unlimited  unlimited  files\n";
    assert_eq!(file_limit(unlimited), Some(u64::MAX));
    assert_eq!(file_limit(b"Max open files\n"), None);
    assert_eq!(file_limit(b""), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(split(&bytes).len() <= MOST_ARGUMENTS);
        let _ = user_in(&bytes, 0);
        let _ = file_limit(&bytes);
    }
}
