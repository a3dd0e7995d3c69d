#!/usr/bin/env bash
# Runs on two processes of MPI, checked against one: collective operations, training, resuming, samples, likelihoods, and ends by errors,
# panics, ranks that are stuck and ranks that are killed. Needs mpirun, the MPI it belongs to, and libclang; without mpirun it says so and ends.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0 RAYON_NUM_THREADS=1
# Containers are often root's, and have fewer cores than ranks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

if ! command -v mpirun >/dev/null; then
  echo "mpi-check: no mpirun here, nothing is checked"
  exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
fail() { echo "mpi-check: $1" >&2; exit 1; }
step() { printf '== %s (%ss)\n' "$1" "$SECONDS"; }
# The path of the program that cargo has just built.
executable() { sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1; }

step "build"
contract=$(cargo test --locked -p advect-parallel --features mpi --test mpi --no-run --message-format json 2>/dev/null | executable) || true
example=$(cargo build --release --locked -p advect-examples --features mpi --example many_machines --message-format json 2>/dev/null | executable) || true
[ -x "$contract" ] && [ -x "$example" ] || fail "no programs: build them by hand to see why"

step "collective operations"
for ranks in 1 2 3; do
  status=0
  holds=$(timeout 120 mpirun -n "$ranks" "$contract" | grep -c "the contract holds") || status=$?
  [ "$status" = 0 ] && [ "$holds" = "$ranks" ] || fail "$holds of $ranks ranks hold the contract, with status $status"
done

# ends HOW WORDS: a run that ends on rank 1 in this way ends as a whole, in time, and says so.
ends() {
  local status=0
  timeout 60 mpirun -n 2 "$contract" "$1" >"$folder/end" 2>&1 || status=$?
  [ "$status" != 0 ] && [ "$status" != 124 ] || fail "a run whose rank 1 ends by $1 has status $status"
  grep -q "$2" "$folder/end" || fail "a run whose rank 1 ends by $1 does not say \"$2\""
}
step "ends"
ends error "rank 1 of 2: x: got -1, expected a number above 0"
ends panic "rank 1 of 2 panicked"
ends stuck "rank 0 of 2 has waited"

# What a run prints, without its times and its size.
figures() { grep -E '^(parameters|loss|mean square|log-likelihood)' "$1"; }
run() { timeout 300 mpirun -n "$1" "$example" --shards 2 --batch 256 --width 64 --samples 1000 "${@:2}"; }
step "training"
run 1 --steps 150 >"$folder/one"
run 2 --steps 150 >"$folder/two"
figures "$folder/one"
diff <(figures "$folder/one") <(figures "$folder/two") || fail "two ranks differ from one"

step "resuming, after a rank is killed"
mkdir "$folder/run"
run 2 --steps 1000000 --out "$folder/run" >"$folder/killed" 2>&1 &
launcher=$!
for _ in $(seq 300); do
  if ls "$folder/run"/step-*.safetensors >/dev/null 2>&1; then break; fi
  sleep 0.2
done
ls "$folder/run"/step-*.safetensors >/dev/null || fail "no checkpoint"
# The last of the two processes with this program's name and folder.
victim=$(pgrep -f "^$example .*$folder/run" | tail -n 1) || fail "the run ended before a rank could be killed"
kill -KILL "$victim"
killed=$SECONDS status=0
wait "$launcher" || status=$?
[ "$status" != 0 ] && [ "$status" != 124 ] || fail "a run with a killed rank has status $status"
grep -q "signal 9" "$folder/killed" || fail "a run with a killed rank does not say so"
printf 'ended %s s after the kill: %s\n' "$((SECONDS - killed))" "$(grep 'signal 9' "$folder/killed")"
reached=$(ls "$folder/run"/step-*.safetensors | tail -n 1 | tr -dc '0-9\n' | tail -c 10)
steps=$((10#$reached + 150))
run 2 --steps "$steps" --out "$folder/run" >"$folder/resumed"
run 1 --steps "$steps" >"$folder/whole"
diff <(figures "$folder/whole") <(figures "$folder/resumed") || fail "a resumed run differs from one that never stopped"
# The parameters, the optimiser, the average and the generator, to the last byte.
run 2 --steps "$steps" --out "$folder/undisturbed" >/dev/null
last=step-$(printf %09d "$steps").safetensors
cmp "$folder/run/$last" "$folder/undisturbed/$last" || fail "the last checkpoint of a resumed run differs from that of one that never stopped"
printf '%s has the bytes of an undisturbed run, %s of them\n' "$last" "$(stat -c %s "$folder/run/$last")"

step "done"
