#!/usr/bin/env bash
# Builds the tests of devices and the timings for a machine with an NVIDIA GPU, on one that may have none, and puts them
# into a folder to carry there; prints the command to run on that machine.
#
#   scripts/cuda-check.sh TOOLCHAIN FOLDER [cudnn]
#
# TOOLCHAIN is the folder of cuda-toolchain.sh, which sets it up if need be. The machine needs CUDA's libraries of the same
# major version (cuBLAS, cuRAND, NVRTC), not its compiler, and a libc no older than this one's. With `cudnn`, convolutions are
# cuDNN's, whose library is needed on both.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: $0 TOOLCHAIN FOLDER [cudnn]" >&2; exit 2; }
cd "$(dirname "$0")/.."
exports=$(scripts/cuda-toolchain.sh "$1" ${3:+"$3"})
eval "$exports"
mkdir -p "$2"
folder=$(cd "$2" && pwd)
feature=${3:-cuda}

# One build for both, so that what they share is compiled once.
cargo test --release --locked --no-run --message-format=json-render-diagnostics \
  -p advect -p advect-benches --features "advect/$feature,advect-benches/$feature" --test devices --bench device |
  python3 -c '
import json, shutil, sys
for line in sys.stdin:
    message = json.loads(line) if line.startswith("{") else {}
    if message.get("executable"):
        name = {"devices": "tests", "device": "timings"}[message["target"]["name"]]
        shutil.copy(message["executable"], sys.argv[1] + "/" + name)
' "$folder"
strip "$folder/tests" "$folder/timings"
cp benches/device_peers.py "$folder/peers.py"

cat > "$folder/run.sh" <<'RUN'
#!/usr/bin/env bash
# Tests, then timings, then those of PyTorch where it is installed. Arguments choose timings, as parts of their names.
set -uo pipefail
cd "$(dirname "$0")"
# Where CUDA's libraries usually are: its own folder, and the packages that PyTorch brings, which finds its own.
packages=$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null)
libs=/usr/local/cuda/lib64
for lib in ${packages:+"$packages"/*/lib}; do libs=$libs:$lib; done
ours() { LD_LIBRARY_PATH=$libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$@"; }

nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
# One test at a time, so that what they print stays apart.
ADVECT_TEST_DEVICE=cuda RUST_BACKTRACE=0 ours ./tests --test-threads=1 --nocapture
status=$?
ours ./timings cuda "$@"
ours ./timings cuda --keep "$@"
python3 -c 'import torch, torchcfm, torchdiffeq' 2>/dev/null && python3 peers.py "$@"
exit $status
RUN
chmod +x "$folder/run.sh"
du -sh "$folder" >&2
echo "bash $2/run.sh"
