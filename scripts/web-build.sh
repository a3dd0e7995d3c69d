#!/usr/bin/env bash
# Compiles the crate of the interactive page to WebAssembly, with and without SIMD, and puts both beside the page, as scripts that hold
# the module compressed by gzip, in base64: a page of a file may load a script, and nothing else.
# Needs the target wasm32-unknown-unknown and the program `wasm-bindgen` of the version in Cargo.lock. Skips, and says so, what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
if ! [[ -d $(rustc --print target-libdir --target wasm32-unknown-unknown) ]]; then
  echo "The target is not here: rustup target add wasm32-unknown-unknown" >&2
  exit 3
fi
if [[ $(wasm-bindgen --version 2>/dev/null) != "wasm-bindgen $version" ]]; then
  echo "wasm-bindgen $version is not here: cargo install wasm-bindgen-cli --version $version" >&2
  exit 3
fi

module=docs/src/interactive/module
mkdir -p "$module"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for variant in plain simd; do
  flags=""
  [[ $variant == simd ]] && flags="-C target-feature=+simd128"
  wrapper=""
  [[ $variant == plain ]] && wrapper=$PWD/scripts/without-simd.sh
  # Each in a folder of its own, as cargo does not see what the wrapper changes.
  RUSTFLAGS=$flags RUSTC_WRAPPER=$wrapper cargo rustc -p advect-web --lib --crate-type cdylib --locked --profile web \
    --target wasm32-unknown-unknown --target-dir "target/web/$variant"
  wasm-bindgen --target no-modules --no-typescript --remove-name-section --remove-producers-section --out-dir "$folder" "target/web/$variant/wasm32-unknown-unknown/web/advect_web.wasm"
  {
    printf 'window.advectModule = { glue: function () {\n'
    cat "$folder/advect_web.js"
    printf '\nreturn wasm_bindgen; }, wasm: "'
    gzip -9nc "$folder/advect_web_bg.wasm" | base64 -w0
    printf '" };\n'
  } >"$module/$variant.js"
  printf '%-6s %s bytes, in a script of %s, of which a server sends %s by gzip\n' "$variant" "$(stat -c %s "$folder/advect_web_bg.wasm")" \
    "$(stat -c %s "$module/$variant.js")" "$(gzip -9c "$module/$variant.js" | wc -c)"
done
