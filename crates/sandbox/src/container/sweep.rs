//! Removing the containers of engines that are gone.

use std::collections::HashMap;
use std::fs;

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::create::OWNER;

/// This process, as a label: the machine's boot, its process id, and when it was started, in clock ticks since the boot.
pub(super) fn owner() -> String {
    let pid = std::process::id();
    format!("{}/{pid}/{}", boot(), started(pid).unwrap_or_default())
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Field 22 of `stat`; the name before it may hold anything, parentheses too.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

/// Whether the engine that this label names is certainly gone: one of this machine, of an earlier boot or with no process.
fn is_gone(label: &str, boot: &str) -> bool {
    let mut parts = label.split('/');
    let (Some(its_boot), Some(pid), Some(ticks)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    // A daemon may serve several machines: another boot may be another machine that lives.
    its_boot == boot && pid.parse().is_ok_and(|pid| started(pid).is_none_or(|now| now != ticks))
}

/// Removes what engines left that were killed. As far as it goes: a daemon that cannot list its containers can still
/// make new ones. Returns how many were removed.
pub(super) async fn sweep(docker: &Docker) -> usize {
    let filters = HashMap::from([("label", vec![OWNER])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let Ok(listed) = docker.list_containers(Some(options)).await else { return 0 };
    let boot = boot();
    let mut removed = 0;
    for container in listed {
        let label = container.labels.as_ref().and_then(|labels| labels.get(OWNER));
        let (Some(id), Some(label)) = (&container.id, label) else { continue };
        if is_gone(label, &boot) {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            // Another engine may be sweeping as well.
            removed += usize::from(docker.remove_container(id, Some(options)).await.is_ok());
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_and_the_unknown_are_left_alone() {
        let boot = boot();
        assert!(!is_gone(&owner(), &boot));
        assert!(!is_gone("another-machine/1/2", &boot));
        assert!(!is_gone("nonsense", &boot));
    }

    #[test]
    fn a_process_id_used_again_is_another_process() {
        let boot = boot();
        assert!(is_gone(&format!("{boot}/{}/1", std::process::id()), &boot));
    }
}
