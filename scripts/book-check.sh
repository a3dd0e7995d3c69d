#!/usr/bin/env bash
# Builds the book and opens each page in headless Chromium: fails if a formula is not drawn, or if a page asks the network for something.
# Needs mdBook and Chromium (Debian's package `chromium`).
set -euo pipefail
cd "$(dirname "$0")/.."
mdbook build docs
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

options=(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking)
options+=(--disable-component-update --disable-sync --user-data-dir="$profile" --virtual-time-budget=4000)
failed=0
for page in $(find docs/book -name '*.html' ! -name toc.html ! -name 404.html | sort); do
  drawn=$(chromium "${options[@]}" --dump-dom "file://$PWD/$page" 2>/dev/null)
  count() { { grep -oE "$1" <<<"$drawn" || true; } | wc -l; }
  wrong=$(count 'katex-error|language-math|\$<code')
  abroad=$(count '<(script|link|img)[^>]*(src|href)="https?://')
  printf '%-40s %4s formulas, %s wrong, %s from elsewhere\n' "${page#docs/book/}" "$(count 'class="katex"')" "$wrong" "$abroad"
  ((wrong + abroad == 0)) || failed=1
done
exit "$failed"
