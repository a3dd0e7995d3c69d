#!/usr/bin/env bash
# Sets up CUDA 13.0's compiler and libraries in a folder, from the wheels on PyPI, and prints what to export. No GPU, no
# driver and no root are needed; x86-64 Linux with Python 3 and a C++ compiler is.
#
#   scripts/cuda-toolchain.sh FOLDER [cudnn] [nccl] > cuda.env && source cuda.env
#
# With `cudnn`, cuDNN is part of it, which takes another gigabyte; with `nccl`, NCCL, which takes 300 MB.
# A driver refuses PTX that is newer than its CUDA: 13.0 is what branch 580 runs.
set -euo pipefail

usage() { echo "usage: $0 FOLDER [cudnn] [nccl]" >&2; exit 2; }
[ $# -ge 1 ] || usage
for part in "${@:2}"; do
  case $part in cudnn | nccl) ;; *) usage ;; esac
done
mkdir -p "$1"
folder=$(cd "$1" && pwd)
root=$folder/nvidia/cu13

# Into a folder, by an environment of its own, as some systems refuse to install outside of one.
install() {
  [ -x "$folder/venv/bin/pip" ] || python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --target "$@" >&2
}

[ -x "$root/bin/nvcc" ] || install "$folder" nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
  'nvidia-cuda-cccl==13.0.*' 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cublas==13.0.*' nvidia-curand

# One wheel more, if it is asked for: NAME WHEEL LIBRARY. In a target of its own: pip does not add to what is there. The links are where the
# other libraries are looked for.
more() {
  local place=$folder/$1/nvidia/$1
  [ -e "$place/lib/$3" ] || install "$folder/$1" --no-deps "$2"
  ln -sf "$place"/lib/lib"$1"*.so.* "$root/lib/"
  ln -sf "$3" "$root/lib/${3%.so.*}.so"
  ln -sf "$place"/include/* "$root/include/"
}
for part in "${@:2}"; do
  case $part in
    cudnn) more cudnn nvidia-cudnn-cu13 libcudnn.so.9 ;;
    # The version that candle's bindings are of.
    nccl) more nccl 'nvidia-nccl-cu13==2.30.*' libnccl.so.2 ;;
  esac
done

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
