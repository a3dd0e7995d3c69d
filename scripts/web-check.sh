#!/usr/bin/env bash
# Builds the interactive page, and goes through it in headless Chromium: with and without a worker and SIMD, by its own test, by a mouse on
# a desktop and by a finger on a phone. Prints speeds beside those of the native run, and leaves pictures in out/web.
# Needs what scripts/web-build.sh needs, mdBook, Chromium and Python 3.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/web-build.sh
mdbook build docs
mkdir -p out/web
# One thread, as a module has.
RAYON_NUM_THREADS=1 cargo run --release --locked -q -p advect-web --example native >out/web/native.json
python3 scripts/web_check.py docs/book/interactive.html out/web
