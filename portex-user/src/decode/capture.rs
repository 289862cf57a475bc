//! What follows the record of a failure → [`Capture`]. Counts that the bytes do not bear out are an
//! error, as for records.

use portex_common::{BuildIdFrame, CaptureHeader, capture::NO_FD};

use crate::event::{BuildId, Capture};

/// Decodes what follows a record. `None` where its length is not what its header says.
pub(super) fn capture(bytes: &[u8]) -> Option<Capture> {
    let (header, rest) = CaptureHeader::split(bytes)?;
    let (user, rest) = frames(rest, header.user)?;
    let (kernel, rest) = frames(rest, header.kernel)?;
    let (build_ids, rest) = build_ids(rest, header.build_ids)?;
    if rest.len() != usize::from(header.stack) {
        return None;
    }
    Some(Capture {
        fd: (header.fd != NO_FD).then_some(header.fd),
        ip: header.ip,
        sp: header.sp,
        bp: header.bp,
        user,
        kernel,
        stack: rest.to_vec(),
        build_ids,
    })
}

fn frames(bytes: &[u8], count: u16) -> Option<(Vec<u64>, &[u8])> {
    let (frames, rest) = bytes.split_at_checked(usize::from(count) * 8)?;
    let frames = frames.as_chunks().0.iter();
    Some((frames.map(|word| u64::from_ne_bytes(*word)).collect(), rest))
}

fn build_ids(mut bytes: &[u8], count: u16) -> Option<(Vec<BuildId>, &[u8])> {
    /// `BPF_STACK_BUILD_ID_VALID`.
    const VALID: i32 = 1;
    let mut frames = Vec::new();
    for _ in 0..count {
        let (frame, rest) = BuildIdFrame::split(bytes)?;
        frames.push(BuildId {
            id: (frame.status == VALID).then_some(frame.build_id),
            offset: frame.offset,
        });
        bytes = rest;
    }
    Some((frames, bytes))
}
