#!/usr/bin/env bash
# Builds the tests of devices and the timings for a machine with an NVIDIA GPU, on one that may have none, and puts them
# into a folder to carry there, and into an archive; prints the command to run on that machine.
#
#   scripts/cuda-check.sh TOOLCHAIN FOLDER [cudnn] [nccl]
#
# TOOLCHAIN is the folder of cuda-toolchain.sh, which sets it up if need be. The machine needs CUDA's libraries of the same
# major version (cuBLAS, cuRAND, NVRTC), not its compiler, and a libc no older than this one's. With `cudnn`, convolutions are
# cuDNN's, whose library is needed on both. With `nccl`, there is one program more, for sums and copies by NCCL, whose library it needs: on one
# GPU, one rank and what is refused; on more, a rank on each, and an end of a rank that waits in vain.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: $0 TOOLCHAIN FOLDER [cudnn] [nccl]" >&2; exit 2; }
cd "$(dirname "$0")/.."
exports=$(scripts/cuda-toolchain.sh "$1" "${@:3}")
eval "$exports"
mkdir -p "$2"
folder=$(cd "$2" && pwd)
feature=cuda with_nccl=
for part in "${@:3}"; do
  case $part in cudnn) feature=cudnn ;; nccl) with_nccl=1 ;; esac
done

# Builds programs in release, and puts them into the folder.
build() {
  cargo test --release --locked --no-run --message-format=json-render-diagnostics "$@" |
    python3 -c '
import json, shutil, subprocess, sys
names = {"devices": "tests", "device": "timings", "nccl": "nccl"}
for line in sys.stdin:
    message = json.loads(line) if line.startswith("{") else {}
    if message.get("executable"):
        program = sys.argv[1] + "/" + names[message["target"]["name"]]
        shutil.copy(message["executable"], program)
        subprocess.run(["strip", program], check=True)
' "$folder"
}

# One build for both, so that what they share is compiled once.
build -p advect -p advect-benches --features "advect/$feature,advect-benches/$feature" --test devices --bench device
# By itself: the others don't need NCCL's library.
rm -f "$folder/nccl"
[ -z "$with_nccl" ] || build -p advect-parallel --features nccl --test nccl
cp benches/device_peers.py "$folder/peers.py"
cp benches/sit.py "$folder/"

cat > "$folder/run.sh" <<'RUN'
#!/usr/bin/env bash
# Tests, then timings, then those of PyTorch and the tests under compute-sanitizer, where these are installed. Arguments choose
# timings, as parts of their names.
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
if [ -x nccl ]; then
  ours ./nccl || status=$?
  # A rank that waits for another one, which never comes, is to be aborted and to say so.
  if [ "$(nvidia-smi --query-gpu=index --format=csv,noheader | wc -l)" -ge 2 ]; then
    end=$(ours timeout 50 ./nccl stuck 2>&1) && status=1
    grep "rank 0 of .* has waited" <<<"$end" || { status=1; echo "nccl: no end of a wait in vain: $end"; }
  fi
fi
ours ./timings cuda "$@" || status=$?
ours ./timings cuda --keep "$@" || status=$?
ours ./timings cuda --keep --tf32 "$@" || status=$?
python3 -c 'import torch, torchcfm, torchdiffeq' 2>/dev/null && python3 peers.py "$@"
# Wrong addresses and races in kernels; tests of errors ask for some of the driver's.
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    ADVECT_TEST_DEVICE=cuda ours compute-sanitizer --tool $tool --report-api-errors no --error-exitcode 1 \
      ./tests --test-threads=1 operations:: attention:: convolutions:: updates:: randomness:: || status=$?
  done
fi
exit $status
RUN
chmod +x "$folder/run.sh"
# An eighth of the size.
tar -C "$(dirname "$folder")" -cJf "$folder.tar.xz" "$(basename "$folder")"
du -sh "$folder" "$folder.tar.xz" >&2
echo "bash $2/run.sh"
