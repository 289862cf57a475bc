//! How portex is attached, why not better, and what it cannot see that way.

use crate::doctor::{Attach, Attached, Case, Remedy, Severity, Verdict};

/// Calls that this way does not see, for each way by its name.
fn blind(way: &str) -> &'static str {
    match way {
        "tracepoint" => {
            "portex works this way; not seen: how long port searches take; failed bind() and UDP autobind \
             of io_uring, of the kernel itself and of 32-bit programs, as only system calls of 64-bit \
             programs have a tracepoint. A kernel with trampolines (CONFIG_FUNCTION_TRACER) or \
             CONFIG_KPROBES shows these too, where lockdown and policies allow it"
        }
        "kprobe" => {
            "nothing is hidden; each connection costs several times as much as by trampoline"
        }
        _ => "nothing is hidden",
    }
}

pub(super) fn judge(case: &Case) -> Vec<Verdict> {
    let portex = &case.portex;
    let verdict = |severity, title: String, evidence, meaning: &str, remedies| Verdict {
        severity,
        netns: None,
        subject: "portex".to_owned(),
        title,
        evidence,
        meaning: meaning.to_owned(),
        remedies,
    };
    vec![match &portex.attach {
        Attach::Worked(attached) => {
            let severity = if attached.best && attached.off.is_empty() {
                Severity::Info
            } else {
                Severity::Notice
            };
            verdict(
                severity,
                format!("portex traces this kernel by {}", attached.way),
                evidence(case, attached),
                blind(attached.way),
                remedies(attached),
            )
        }
        Attach::NotTried => verdict(
            Severity::Info,
            "portex cannot trace here, so it judges by what /proc and sock_diag show".to_owned(),
            kernel(case).into_iter().chain(estimated(case)).collect(),
            "rates, failures and the owners of TIME_WAITs are not known; whose sockets these are, only \
             as far as this user may see",
            vec![],
        ),
        Attach::Failed(error) => verdict(
            Severity::Warning,
            if portex.missing.iter().any(|missing| missing.essential) {
                "portex may not attach: capabilities are missing".to_owned()
            } else {
                "portex cannot attach to this kernel".to_owned()
            },
            error
                .lines()
                .map(|line| line.trim().to_owned())
                .chain(kernel(case))
                .chain(estimated(case))
                .collect(),
            "nothing was watched: rates, failures and the owners of TIME_WAITs are not known",
            vec![
                Remedy::to_do(
                    "see the kernel's own words, and report them where portex should work",
                    "none: a second try",
                )
                .command(Some("portex trace -n 1 -v --duration 1s".to_owned())),
            ],
        ),
    }]
}

fn kernel(case: &Case) -> Vec<String> {
    let portex = &case.portex;
    vec![format!(
        "kernel {}, lockdown {}",
        portex.release, portex.lockdown
    )]
}

/// Why explicit binds are estimated, if they are.
fn estimated(case: &Case) -> Option<String> {
    let refusal = case.portex.walks_refused.as_ref()?;
    // What to do about it follows on further lines: other findings say that.
    let first = refusal.lines().next().unwrap_or_default();
    Some(format!("explicit binds are estimated: {first}"))
}

fn evidence(case: &Case, attached: &Attached) -> Vec<String> {
    let mut evidence = kernel(case);
    let refused = attached.refused.iter();
    evidence.extend(refused.map(|(way, cause)| format!("not by {way}: {cause}")));
    let off = attached.off.iter();
    evidence.extend(off.map(|off| {
        format!(
            "{} is off: {}; not told: {}",
            off.hook, off.cause, off.serves
        )
    }));
    if !attached.best && attached.refused.is_empty() {
        evidence.push("this way was asked for (--attach)".to_owned());
    }
    evidence.extend(estimated(case));
    evidence.push(format!("{}: {}", attached.way, attached.cost));
    evidence
}

fn remedies(attached: &Attached) -> Vec<Remedy> {
    if attached.best {
        return vec![];
    }
    if attached.refused.is_empty() {
        return vec![Remedy::to_do(
            "leave the choice to portex: without --attach it takes the best way that works",
            "none",
        )];
    }
    vec![]
}
