#!/usr/bin/env bash
# What has to hold before a release, besides `.ci/run`: packages, features, the oldest toolchain and dependencies, licences, spelling, promises.
# A check whose program is missing is skipped, and said to be.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"; git worktree prune' EXIT
# Nobody debugs what is built here, nor builds it again after a change.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }
have() { command -v "$1" >/dev/null || { echo "skipped: no $1"; return 1; }; }

# In the order of dependencies, and each built as it will be downloaded.
step "packages"
unpublished=(advect-benches advect-examples advect-web public-api readmes)
cargo package --workspace --locked "${unpublished[@]/#/--exclude=}" --target-dir "$folder/packages"
rm -rf "$folder/packages"

step "crates without their default features"
for crate in crates/*; do
  cargo check --locked --lib --no-default-features -p "$(basename "$crate")"
done

step "features of the facade"
for feature in classics data diffusers features images metrics models nn progress pytorch signals testing train trajectories; do
  cargo check --locked --lib --no-default-features --features "$feature" -p advect
done

step "the oldest toolchain"
oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
# To rustup, 1.94 and 1.94.0 are two toolchains.
cargo "+$oldest" --version >/dev/null 2>&1 || oldest+=.0
if cargo "+$oldest" --version >/dev/null 2>&1; then
  cargo "+$oldest" check --workspace --lib --locked --target-dir "$folder/toolchain"
  rm -rf "$folder/toolchain"
else
  echo "skipped: no toolchain ${oldest%.0}"
fi

step "the oldest direct dependencies"
if cargo +nightly --version >/dev/null 2>&1; then
  git worktree add --quiet --detach "$folder/oldest"
  (cd "$folder/oldest" && cargo +nightly update -Z direct-minimal-versions && cargo check --workspace --lib --target-dir "$folder/target")
else
  echo "skipped: no nightly toolchain"
fi

step "documentation as docs.rs makes it"
if cargo +nightly --version >/dev/null 2>&1; then
  RUSTDOCFLAGS="--cfg docsrs" cargo +nightly doc --no-deps --locked -p advect --features testing --target-dir "$folder/docs"
else
  echo "skipped: no nightly toolchain"
fi

step "the interactive page, in Chromium"
if have wasm-bindgen && have mdbook && have chromium && have python3; then
  # 3: the target or the version of wasm-bindgen is missing, which it says.
  bash scripts/web-check.sh || { [ $? -eq 3 ] && echo "skipped"; }
fi

step "licences, sources, duplicates and known faults of dependencies"
if have cargo-deny; then
  # Those fetched last will do where they can't be fetched; without any, faults are not looked for.
  if cargo deny fetch db; then
    cargo deny --workspace check
  elif databases=$(compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*/"); then
    # An ignored fault that is newer than them is reported as unknown, and must stay ignored.
    for database in $databases; do
      echo "known faults could not be fetched: those of $(git -C "$database" log -1 --format=%cs) are used"
    done
    cargo fetch --locked
    cargo deny --offline --workspace check
  else
    echo "skipped: known faults could not be fetched"
    cargo deny --workspace check licenses sources bans
  fi
fi

step "spelling"
if have typos; then typos; fi

step "promises since the last release"
number() { sed -n 's/^version = "\(.*\)"$/\1/p'; }
# As for a release that breaks nothing, whatever its number. Features that are off by default need libraries of the system, those of
# advect-core aside. In one folder, dependencies are compiled once and not for each crate.
promises() {
  CARGO_TARGET_DIR="$folder/promises" cargo semver-checks --baseline-rev "$last" --release-type minor "$@" || {
    # 100: promises are broken. Anything else: nothing was compared.
    [ $? -eq 100 ] && broken=yes
  }
}
if have cargo-semver-checks; then
  version=$(number <Cargo.toml)
  last=$(git describe --tags --abbrev=0 2>/dev/null || true)
  # Without a tag: the first commit whose changelog has the number.
  [ -n "$last" ] || last=$(git log --format=%h -S"## [$version] - " -- CHANGELOG.md | tail -1)
  if [ -n "$last" ]; then
    broken=
    promises --workspace --default-features --exclude advect-core "${unpublished[@]/#/--exclude=}"
    promises --package advect-core --only-explicit-features --features progress,testing
    released=$(git show "$last:Cargo.toml" | number)
    if [ -z "$broken" ]; then
      echo "no promise since $last is broken"
    elif ! awk '/^## \[/ { part++ } part == 1' CHANGELOG.md | grep -x '### Breaking' >/dev/null; then
      echo "promises are broken, and the newest part of CHANGELOG.md has no \"### Breaking\"" >&2
      exit 1
    elif [ "$version" != "$released" ] && [ "${version%.*}" = "${released%.*}" ]; then
      echo "promises are broken, which $version may not do after $released" >&2
      exit 1
    else
      echo "promises since $last are broken: each has to be under \"### Breaking\" in CHANGELOG.md, and the second number is raised"
    fi
  else
    echo "skipped: no release so far"
  fi
fi

step "done"
