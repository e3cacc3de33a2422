# The list of checks, once. `verify` never writes; `fix` does.

export RUSTDOCFLAGS := "-D warnings"

# Everything that CI checks of the code itself.
verify: format lint features docs test

format:
    cargo fmt --all -- --check

lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# Each feature alone, and none.
features:
    cargo hack check --workspace --each-feature

docs:
    cargo doc --workspace --no-deps --all-features

test:
    cargo test --workspace

fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --all-features --fix --allow-dirty --allow-staged
