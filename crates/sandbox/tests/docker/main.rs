//! The container backend on a real Podman, started by these tests with a store of their own. Where Podman cannot run they
//! say why and pass; with `HARNESS_TEST_REQUIRE=all` they fail instead.
//!
//! `cargo test -p harness-sandbox --features docker --test docker`; Debian's packages `podman runc catatonit docker-registry`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by them")]

mod image;
mod podman;
mod registry;
mod sessions;

use std::future::Future;

use harness_core::testing::Fixture;
use harness_sandbox::{ContainerOptions, ContainerSandbox};
use tokio::sync::OnceCell;

fn block_on<F: Future>(work: F) -> F::Output {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(work)
}

/// Options for the tests' Podman and an image of this machine's own programs, or why there is none.
async fn options() -> Result<ContainerOptions, String> {
    static IMAGE: OnceCell<String> = OnceCell::const_new();
    let socket = podman::socket().clone()?;
    let options = ContainerOptions { socket: Some(socket), ..ContainerOptions::default() };
    let image = IMAGE.get_or_init(async || {
        let builder = ContainerSandbox::connect(options.clone()).await.unwrap();
        builder.build_image(image::context()).await.unwrap()
    });
    Ok(ContainerOptions { image: Some(image.await.clone()), ..options })
}

async fn sandbox() -> Fixture<ContainerSandbox> {
    match options().await {
        Ok(options) => Fixture::from(ContainerSandbox::connect(options).await),
        Err(why) => Fixture::unavailable(why),
    }
}

harness_core::sandbox_laws!(podman_keeps_the_laws, crate::block_on, crate::sandbox);
