//! Core's laws of sandboxes, for every level.

use harness_core::testing::Fixture;
use harness_sandbox::SandboxKind;

use crate::common::backend;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// The sandbox of a level, or why it cannot be had: `backend` has said so already, or failed.
fn at(kind: SandboxKind) -> Fixture<std::sync::Arc<dyn harness_core::Sandbox>> {
    match backend(kind) {
        Some(sandbox) => Fixture::new(sandbox),
        None => Fixture::unavailable(format!("this machine has no sandbox {kind:?}")),
    }
}

harness_core::sandbox_laws!(full, block_on, || at(SandboxKind::Full));
harness_core::sandbox_laws!(user, block_on, || at(SandboxKind::User));
harness_core::sandbox_laws!(landlock, block_on, || at(SandboxKind::Landlock));
harness_core::sandbox_laws!(unconfined, block_on, || at(SandboxKind::Unconfined));
