#!/usr/bin/env bash
# Makes the pictures of the book anew, each by the command beside it.
#
# Usage: scripts/pictures.sh [NAME …]      (all, or those of these files: two_moons, book_flows, …)
#
# work_precision.png and work_precision_stiff.png are not among them: benches/work_precision.py draws them, and needs torchdiffeq, SciPy and diffrax.
set -euo pipefail
cd "$(dirname "$0")/.."
images=docs/src/images
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# picture NAME FILE EXAMPLE [ARGUMENT …]: runs an example, and takes a file of what it writes.
picture() {
    local name=$1 file=$2 example=$3
    shift 3
    known+=("$name")
    if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then
        return
    fi
    if [ ! -e "$out/$example$*/$file" ]; then
        cargo run --release --locked --example "$example" -- "$@" --out "$out/$example$*"
    fi
    cp "$out/$example$*/$file" "$images/$name.png"
}

wanted=("$@") known=()
for name in flows hutchinson adjoint matching interpolants score; do
    picture "book_$name" "book_$name.png" book
done
for name in blending bridge compare_objectives digits history inpainting langevin latent paths phi4 reflow samplers score_sde two_peaks; do
    picture "$name" "$name.png" "$name"
done
picture two_moons two_moons.png two_moons --steps 3000
picture two_moons_flow two_moons_flow.png two_moons --source normal --steps 3000
picture snapshots snapshots_branching.png snapshots
picture unet_digits step_001500.png images
picture detest detest.png reproduce_detest
picture edm edm.png reproduce_edm
picture ffjord ffjord.png reproduce_ffjord

for name in "${wanted[@]}"; do
    if [[ " ${known[*]} " != *" $name "* ]]; then
        echo "there is no picture $name; there are ${known[*]}" >&2
        exit 2
    fi
done
