//! A kernel that does not tell how its types are laid out.

use crate::doctor::{Case, Remedy, Severity, Verdict};

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let Some(refusal) = &case.portex.btf_refused else {
        return vec![];
    };
    vec![Verdict {
        severity: Severity::Warning,
        netns: None,
        subject: "/sys/kernel/btf/vmlinux".to_owned(),
        title: "the kernel's type information (BTF) cannot be read".to_owned(),
        evidence: vec![
            format!("/sys/kernel/btf/vmlinux: {refusal}"),
            format!("kernel {}", case.portex.release),
        ],
        meaning: "portex finds the fields of sockets by it: without, nothing can be traced, and explicit \
                  binds cannot be seen"
            .to_owned(),
        remedies: vec![Remedy::to_do(
            "in a container, mount the host's /sys; else use a kernel built with \
             CONFIG_DEBUG_INFO_BTF=y, as those of distributions since about 2021",
            "another kernel is a change of the whole host",
        )],
    }]
}
