//! Processes, from `/proc`.

use std::fs;

/// The process that a thread belongs to; its own id when it is a process. `None` when there is no
/// such thread: `/proc/ID` is there for threads too, though not listed.
pub fn process_of(id: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_belongs_to_its_process() {
        let own = std::process::id();
        assert_eq!(process_of(own), Some(own));
        let thread = std::thread::spawn(|| {
            let id = rustix::thread::gettid().as_raw_nonzero().get();
            process_of(id.cast_unsigned())
        });
        assert_eq!(thread.join().expect("no panic"), Some(own));
    }

    #[test]
    fn what_is_not_there_belongs_to_none() {
        assert_eq!(process_of(u32::MAX), None);
    }
}
