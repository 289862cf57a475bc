//! Capabilities that this process lacks.

use crate::doctor::{Case, Missing, Remedy, Severity, Verdict};

/// What portex uses, for a binary that is to have all of it.
const ALL: &str =
    "cap_bpf,cap_perfmon,cap_sys_admin,cap_sys_ptrace,cap_dac_read_search,cap_syslog+ep";

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let portex = &case.portex;
    if portex.missing.is_empty() {
        return vec![];
    }
    let hidden = case.snapshot.hidden_namespaces;
    let mut evidence = vec![format!("effective user id {}", portex.uid)];
    let missing = portex.missing.iter();
    evidence
        .extend(missing.map(|Missing { name, serves, .. }| format!("{name} is missing: {serves}")));
    if hidden > 0 {
        evidence.push(format!(
            "network namespaces that could not be looked into: {hidden}"
        ));
    }
    let essential = portex.missing.iter().any(|missing| missing.essential);
    let verdict = |severity, title: &str, meaning: &str, remedies| Verdict {
        severity,
        netns: None,
        subject: "portex".to_owned(),
        title: title.to_owned(),
        evidence: evidence.clone(),
        meaning: meaning.to_owned(),
        remedies,
    };
    let (severity, title, meaning) = if essential {
        (
            Severity::Warning,
            "portex may not trace: failures and rates stay unseen",
            "no kernel counter moves when ports run out: without tracing nobody sees which connect() \
             failed",
        )
    } else {
        (
            Severity::Notice,
            "portex sees a part of this host only",
            "ports of what is hidden count, but their owners or namespaces are not shown",
        )
    };
    let program = portex
        .program
        .as_deref()
        .unwrap_or("\"$(command -v portex)\"");
    let as_root = Remedy::to_do("run it as root", "none beyond those of a root shell")
        .command(Some(format!("sudo {program} doctor --watch 30s")));
    let granted = Remedy::to_do(
        "or grant the program what it needs",
        "whoever may run this file can then look into every process; chmod 750 and a group keep it to \
         those who should",
    )
    .command(Some(format!("setcap {ALL} {program}")))
    .fixes(true);
    let container = Remedy::to_do(
        "this is root without them, perhaps in a container: start it with --privileged --pid=host \
         --network=host, or with these capabilities added",
        "a privileged container can do what root on the host can",
    );
    let remedies = if portex.uid == 0 {
        vec![container]
    } else {
        vec![as_root, granted]
    };
    vec![verdict(severity, title, meaning, remedies)]
}
