//! From an environment to what the API is asked for. Pure.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, ResourcesUlimits,
};
use harness_core::{Environment, Error, ErrorKind, Network, Result};

use super::options::{ContainerOptions, ContainerUser};
use crate::floor::Named;

/// The label by which a later engine knows whose container it was.
pub(super) const OWNER: &str = "self-harness.owner";

/// Processes of one user on the host, over all its sessions.
const NPROC: i64 = 32_768;

/// Waits for the end of its input, and with it the container's.
const FIRST_PROCESS: &str = "while read -r _; do :; done";

/// The image of a session.
pub(super) fn image<'a>(
    options: &'a ContainerOptions,
    environment: &'a Environment,
) -> Result<&'a str> {
    environment.image.as_deref().or(options.image.as_deref()).ok_or_else(|| {
        let why = "the task names no image, and the container sandbox was given none: \
                   set `ContainerOptions::image`";
        Error::new(ErrorKind::InvalidInput, why)
    })
}

/// The whole description of a session's container.
pub(super) fn body(
    options: &ContainerOptions,
    environment: &Environment,
    owner: &str,
) -> Result<ContainerCreateBody> {
    let command = ["/bin/sh", "-c", FIRST_PROCESS];
    Ok(ContainerCreateBody {
        image: Some(image(options, environment)?.to_owned()),
        hostname: Some("sandbox".to_owned()),
        user: Some("0:0".to_owned()),
        entrypoint: Some(command.map(str::to_owned).to_vec()),
        cmd: Some(Vec::new()),
        working_dir: Some("/".to_owned()),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        labels: Some(HashMap::from([(OWNER.to_owned(), owner.to_owned())])),
        host_config: Some(host_config(options, environment)?),
        ..ContainerCreateBody::default()
    })
}

fn host_config(options: &ContainerOptions, environment: &Environment) -> Result<HostConfig> {
    let limits = &environment.limits;
    limits_of(options).check()?;
    Named::from(limits).check()?;
    let memory = as_i64(limits.memory_bytes.unwrap_or(options.memory_bytes));
    let cpus = limits.cpus.unwrap_or(options.cpus);
    let processes = i64::from(limits.processes.unwrap_or(options.processes));
    let file_bytes = as_i64(limits.disk_bytes.unwrap_or(options.file_bytes));
    Ok(HostConfig {
        // Removed by the engine, or by a later one's sweep: with Podman 4.3, a removal by the daemon's own that meets ours
        // can leave a container that every later listing fails at.
        auto_remove: Some(false),
        init: Some(true),
        network_mode: Some(network(options, &environment.network)?.to_owned()),
        memory: Some(memory),
        // The same as `memory`: no swap beside it.
        memory_swap: Some(memory),
        nano_cpus: Some(nano(cpus)),
        pids_limit: Some(processes),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        ulimits: Some(vec![
            limit("core", 0),
            limit("nofile", 4096),
            // Counted over all containers of a user, so no limit of a session's: that is `pids_limit`. Podman gives the daemon's
            // own, which may be too few, where none is named.
            limit("nproc", processes.max(NPROC)),
            limit("fsize", file_bytes),
        ]),
        ..HostConfig::default()
    })
}

fn network<'a>(options: &ContainerOptions, wanted: &Network) -> Result<&'a str> {
    let refuse = |why: String| Err(Error::new(ErrorKind::InvalidInput, why));
    match wanted {
        Network::None => Ok("none"),
        Network::Public if options.public_network => Ok("bridge"),
        Network::Public => refuse(
            "the environment asks for the public network; the docker sandbox gives it only with \
             `ContainerOptions::public_network`"
                .to_owned(),
        ),
        Network::Allow(hosts) => refuse(format!(
            "the environment asks for the hosts {}; the docker sandbox cannot let single hosts through",
            hosts.join(", ")
        )),
    }
}

/// The options' own limits. The API takes 0 for no limit.
fn limits_of(options: &ContainerOptions) -> Named {
    Named {
        memory_bytes: Some(options.memory_bytes),
        disk_bytes: Some(options.file_bytes),
        processes: Some(options.processes),
        cpus: Some(options.cpus),
    }
}

/// Processors in the API's unit, 10⁻⁹ of one.
#[expect(clippy::cast_possible_truncation, reason = "checked to be between 0 and 10,000")]
fn nano(cpus: f64) -> i64 {
    (cpus * 1e9).round() as i64
}

fn as_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn limit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) }
}

/// The environment of every command, before its own variables.
pub(super) fn variables(
    user: ContainerUser,
    environment: &Environment,
) -> BTreeMap<String, String> {
    // An ordinary user of whom the image knows nothing has no home but what everybody may write.
    let home = if user == ContainerUser::Root { "/root" } else { "/tmp" };
    let base = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", home),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
    ];
    let base = base.map(|(name, value)| (name.to_owned(), value.to_owned()));
    base.into_iter().chain(environment.env.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(environment: &Environment) -> HostConfig {
        host_config(&ContainerOptions::default(), environment).unwrap()
    }

    #[test]
    fn nothing_of_the_host_is_given() {
        let config = config(&Environment::default());
        assert_eq!(config.network_mode.as_deref(), Some("none"));
        assert_eq!(config.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(config.security_opt, Some(vec!["no-new-privileges".to_owned()]));
        assert_eq!((config.binds, config.mounts, config.devices), (None, None, None));
        assert_eq!((config.memory, config.memory_swap), (Some(2 << 30), Some(2 << 30)));
    }

    #[test]
    fn a_network_is_given_only_when_the_operator_says_so() {
        let environment = Environment { network: Network::Public, ..Environment::default() };
        let refused = host_config(&ContainerOptions::default(), &environment).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        let options = ContainerOptions { public_network: true, ..ContainerOptions::default() };
        let config = host_config(&options, &environment).unwrap();
        assert_eq!(config.network_mode.as_deref(), Some("bridge"));
    }

    /// 0 is no limit to the API.
    #[test]
    fn a_limit_of_nothing_is_not_passed_on() {
        let mut environment = Environment::default();
        environment.limits.memory_bytes = Some(0);
        let refused = host_config(&ContainerOptions::default(), &environment).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        for cpus in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let options = ContainerOptions { cpus, ..ContainerOptions::default() };
            assert!(host_config(&options, &Environment::default()).is_err(), "{cpus}");
        }
        assert_eq!(nano(0.5), 500_000_000);
    }

    #[test]
    fn without_an_image_the_error_names_the_option() {
        let error = body(&ContainerOptions::default(), &Environment::default(), "me").unwrap_err();
        assert!(error.to_string().contains("ContainerOptions::image"), "{error}");
    }
}
