//! What people call a network namespace, from the cgroup of a process in it.

/// Digits of a container's id that are shown, as docker does.
const SHORT: usize = 12;
/// Digits of a container's id.
const CONTAINER: usize = 64;

/// The name that a cgroup gives: `pod:UID`, else `container:` and the beginning of its id, else a
/// systemd unit. `None` when it is none of these.
///
/// Container engines and their cgroup drivers agree on little but this: the last part that has a
/// number of 64 hexadecimal digits at its end (`.scope` aside) is the container's.
pub(super) fn from_cgroup(path: &str) -> Option<String> {
    pod(path)
        .map(|uid| format!("pod:{uid}"))
        .or_else(|| container(path).map(|id| format!("container:{id}")))
        .or_else(|| unit(path).map(str::to_owned))
}

/// The uid of a Kubernetes pod: `pod` before a UUID, whose hyphens the systemd driver turns into
/// underscores; of a static pod a number of 32 digits. A network namespace belongs to the pod.
fn pod(path: &str) -> Option<String> {
    if !path.contains("kubepods") {
        return None;
    }
    path.rsplit('/').find_map(|part| {
        let slice = part.split_once(".slice").map_or(part, |(slice, _)| slice);
        let (_, uid) = slice.rsplit_once("pod")?;
        let uid = uid.replace('_', "-");
        is_uid(&uid).then_some(uid)
    })
}

fn is_uid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let hexadecimal = groups.iter().all(|group| is_hexadecimal(group));
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    hexadecimal && (lengths == [8, 4, 4, 4, 12] || lengths == [32])
}

fn container(path: &str) -> Option<&str> {
    path.rsplit('/').find_map(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let id = part.rsplit(['-', ':']).next()?;
        (id.len() == CONTAINER && is_hexadecimal(id)).then(|| id.get(..SHORT))?
    })
}

fn unit(path: &str) -> Option<&str> {
    path.rsplit('/').find(|part| {
        [".service", ".scope"]
            .iter()
            .any(|kind| part.len() > kind.len() && part.ends_with(kind))
    })
}

fn is_hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "4f66ad9c0f2e1b7d8a3c5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3";
    const UID: &str = "0c7a5e2d-11aa-4bb2-9cc3-d4e5f6071829";

    fn name(path: &str) -> Option<String> {
        let underscored = UID.replace('-', "_");
        let path = path.replace("ID", ID);
        from_cgroup(&path.replace("POD", UID).replace("P_D", &underscored))
    }

    #[test]
    fn containers_of_every_engine_are_known() {
        for path in [
            "/docker/ID",
            "/system.slice/docker-ID.scope",
            "/default/ID",
            "/system.slice/nerdctl-ID.scope",
            "/system.slice/cri-containerd-ID.scope",
            "/system.slice/crio-ID.scope",
            "/machine.slice/libpod-ID.scope",
            "/machine.slice/libpod-ID.scope/container",
            "/libpod_parent/libpod-ID",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            "/system.slice/docker-ID.scope/system.slice/nginx.service",
            "/ecs/0123456789abcdef0123456789abcdef/ID",
        ] {
            assert_eq!(
                name(path).as_deref(),
                Some("container:4f66ad9c0f2e"),
                "{path}"
            );
        }
    }

    #[test]
    fn of_containers_in_containers_the_inner_one_counts() {
        let outer = "a".repeat(CONTAINER);
        let path = format!("/docker/{outer}/docker/ID");
        assert_eq!(name(&path).as_deref(), Some("container:4f66ad9c0f2e"));
    }

    #[test]
    fn a_pod_is_named_by_its_uid() {
        for path in [
            "/kubepods/besteffort/podPOD/ID",
            "/kubepods/podPOD/ID",
            "/kubepods.slice/kubepods-podP_D.slice/cri-containerd-ID.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podP_D.slice/crio-ID.scope",
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podP_D.slice/docker-ID.scope",
            "/system.slice/containerd.service/kubepods-burstable-podP_D.slice:cri-containerd:ID",
            "/docker/ID/kubepods/burstable/podPOD/ID",
        ] {
            assert_eq!(name(path), Some(format!("pod:{UID}")), "{path}");
        }
        let stat = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            name(&format!("/kubepods/burstable/pod{stat}/ID")),
            Some(format!("pod:{stat}"))
        );
        assert_eq!(
            name("/kubepods/pod-of-peas/ID").as_deref(),
            Some("container:4f66ad9c0f2e")
        );
    }

    #[test]
    fn else_the_innermost_unit_counts() {
        let units = [
            ("/system.slice/nginx.service", "nginx.service"),
            ("/system.slice/nginx.service/workers", "nginx.service"),
            ("/system.slice/docker-short.scope", "docker-short.scope"),
            (
                "/user.slice/user-0.slice/user@0.service/app.slice/a.service",
                "a.service",
            ),
            (
                "/machine.slice/machine-web.scope/payload",
                "machine-web.scope",
            ),
        ];
        for (path, unit) in units {
            assert_eq!(name(path).as_deref(), Some(unit), "{path}");
        }
    }

    #[test]
    fn other_cgroups_give_no_name() {
        for path in [
            "/",
            "",
            "/user.slice",
            "/.service",
            "/docker/../..",
            "/init",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read_without_a_panic(
            path in "\\PC{0,80}",
            uid in "[pod0-9a-f_-]{0,40}",
            id in "[0-9a-fé]{60,70}",
        ) {
            let _ = from_cgroup(&path);
            let _ = from_cgroup(&format!("/kubepods/{path}pod{uid}.slice/x-{id}.scope"));
        }
    }
}
