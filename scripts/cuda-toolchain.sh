#!/usr/bin/env bash
# Sets up CUDA 13.0's compiler and libraries in a folder, from the wheels on PyPI, and prints what to export. No GPU, no
# driver and no root are needed; x86-64 Linux with Python 3 and a C++ compiler is.
#
#   scripts/cuda-toolchain.sh FOLDER > cuda.env && source cuda.env
#
# A driver refuses PTX that is newer than its CUDA: 13.0 is what branch 580 runs.
set -euo pipefail

[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/nvidia/cu13

if [ ! -x "$root/bin/nvcc" ]; then
  # An environment of its own, as pip is often older than the wheels' tags or not to be used outside of one.
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --target "$folder" \
    nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 'nvidia-cuda-cccl==13.0.*' \
    'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cublas==13.0.*' nvidia-curand >&2
fi

# Wheels bring libX.so.N alone, which a linker does not look for.
for name in cublas cublasLt cudart curand nvrtc; do
  versioned=$(cd "$root/lib" && ls "lib$name".so.* | head -n 1)
  ln -sf "$versioned" "$root/lib/lib$name.so"
done
ln -sfn lib "$root/lib64"

# The driver's library comes with a driver. This one has its functions, which all answer that there is no device (100): enough to
# link against, and to see without a GPU what a program does where there is none.
mkdir -p "$root/lib/stubs"
grep -oE '\bcu[A-Z][A-Za-z0-9_]*' "$root/include/cuda.h" | sort -u |
  sed 's/.*/int &(void) { return 100; }/' |
  "${CC:-cc}" -x c -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$root/lib/stubs/libcuda.so.1" -
ln -sf libcuda.so.1 "$root/lib/stubs/libcuda.so"

# The architecture is asked of the GPU where it isn't set, and here may be none. 90: H100 and H200; 80: A100.
cat <<EXPORTS
export CUDA_HOME='$root' CUDA_PATH='$root' CUDA_ROOT='$root' CUDA_TOOLKIT_ROOT_DIR='$root'
export NVCC='$root/bin/nvcc' PATH='$root/bin':"\$PATH"
export CUDA_COMPUTE_CAP="\${CUDA_COMPUTE_CAP:-90}"
export LIBRARY_PATH='$root/lib:$root/lib/stubs'"\${LIBRARY_PATH:+:\$LIBRARY_PATH}"
EXPORTS
