//! A session without namespaces: a private directory, and a kernel that refuses all paths outside it.

use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Gid, Signal, Uid, set_child_subreaper, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::command::Bounds;
use super::failure::{Doing as _, Failure};
use super::filter::Filter;
use super::identity::Identity;
use super::place::Place;
use super::start::Own;
use super::template::{DEVICES, READABLE_ETC, SYSTEM};
use super::{confine, private, serve};
use crate::wire::{Confinement, Plan};

/// The newest rules asked for; an older kernel enforces what it knows.
const NEWEST: ABI = ABI::V7;

/// Confines the calling process to `directory` and serves.
pub(super) fn session(
    socket: &OwnedFd,
    plan: &Plan,
    directory: &Path,
    identity: &Identity,
    filter: &Filter,
    own: Own,
) -> Result<(), Failure> {
    set_child_subreaper(Some(rustix::process::getpid())).doing("adopting orphans")?;
    confine::empty_bounding_set();
    if !matches!(identity, Identity::Inherited { .. }) {
        become_user(identity)?;
    }
    // Also for a root that is one only in its own user namespace.
    confine::drop_capabilities()?;
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tying the session to its parent")?;
    confine::limit(plan, identity.is_exclusive())?;
    let place = Place::open(directory, false, plan)?;
    let lacks = restrict(directory, plan)?;
    filter.apply(Confinement::Landlock, plan.network, false)?;
    let beside = plan.workspace.as_ref().map(|_| filter.beside_a_workspace());
    let bounds = Bounds { file_bytes: Some(plan.disk_bytes), filter: beside };
    let outcome = serve::run(socket, place, own, bounds, lacks.into_iter().collect());
    private::end_processes();
    outcome
}

fn become_user(identity: &Identity) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(identity.uid()), Gid::from_raw(identity.gid()));
    set_thread_groups(&[]).doing("dropping the groups")?;
    set_thread_res_gid(gid, gid, gid).doing("setting the group")?;
    set_thread_res_uid(uid, uid, uid).doing("setting the user")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("becoming undumpable")
}

fn restrict(directory: &Path, plan: &Plan) -> Result<Option<String>, Failure> {
    let status = ruleset(directory, plan).map_err(|error| failure(&error))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => {
            Err(Failure::new("restricting paths with Landlock", Errno::OPNOTSUPP))
        }
        RulesetStatus::PartiallyEnforced => Ok(Some(PARTLY.to_owned())),
        RulesetStatus::FullyEnforced => Ok(None),
    }
}

const PARTLY: &str = "This kernel knows only a part of Landlock's rules (7th version): what is missing is not restricted.";
const WITHOUT_SCOPES: &str = "Landlock's scopes are missing (Linux 6.12): that signals and abstract sockets stay in the session rests on \
                              the namespaces alone, and an agent's daemons can signal a verifier in shared mode.";

fn ruleset(directory: &Path, plan: &Plan) -> Result<RestrictionStatus, RulesetError> {
    let all = AccessFs::from_all(NEWEST);
    let read = AccessFs::from_read(NEWEST);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let etc = READABLE_ETC.iter().map(|name| format!("/etc/{name}"));
    let hosts = ["passwd", "group", "nsswitch.conf", "hosts"].map(|name| format!("/etc/{name}"));
    let system = SYSTEM.iter().map(|name| format!("/{name}"));
    let readable = system.chain(etc).chain(hosts).chain(["/proc".to_owned()]);
    let devices = DEVICES.iter().map(|name| format!("/dev/{name}"));
    let granted = readable
        .chain(plan.show.iter().cloned())
        .map(|path| (path, read))
        .chain(plan.workspace.iter().cloned().map(|path| (path, all)))
        .chain(devices.map(|path| (path, device)));
    for (path, access) in granted {
        rules = grant(rules, Path::new(&path), access)?;
    }
    grant(rules, directory, all)?.restrict_self()
}

/// A path that does not exist needs no rule.
fn grant(
    rules: landlock::RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, RulesetError> {
    let Ok(fd) = PathFd::new(path) else { return Ok(rules) };
    let of_files = AccessFs::from_file(NEWEST);
    let access = if path.is_dir() { access } else { access & of_files };
    rules.add_rule(PathBeneath::new(fd, access))
}

/// The second line of a session in namespaces: no signal and no abstract socket beyond it, even if
/// a namespace should leak. Says so where the kernel has no scopes.
pub(super) fn scope() -> Result<Option<String>, Failure> {
    let scoped = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(NEWEST))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match scoped {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => Ok(None),
        Ok(_) => Ok(Some(WITHOUT_SCOPES.to_owned())),
        Err(error) => Err(failure(&error)),
    }
}

fn failure(error: &RulesetError) -> Failure {
    let doing = format!("restricting with Landlock ({error})");
    Failure::new(doing, Errno::OPNOTSUPP)
}
