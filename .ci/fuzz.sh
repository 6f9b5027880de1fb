#!/usr/bin/env bash
# Fuzzes the parsers for a while, each target on one core, under AddressSanitizer.
#
#   .ci/fuzz.sh [SECONDS [TARGET..]]    SECONDS for each target, default 20
#
# CORIO_FUZZ_SEED=N begins with that seed instead of one from the clock.
#
# A nightly toolchain builds them; `cargo fuzz` is not needed: the flags are those that it sets. What
# a run finds is kept in fuzz/corpus/TARGET, an input that fails in fuzz/artifacts/TARGET; the
# program, given that file, repeats it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

seconds=${1:-20}
[ $# -gt 0 ] && shift
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | tail -n +2)
[ ${#targets[@]} -gt 0 ] || { echo "fuzz: no targets"; exit 1; }

target=x86_64-unknown-linux-gnu
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/fuzz}
# cargo-fuzz's own (src/project.rs): coverage by counters, comparisons traced, no code left unlinked.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1 --cfg fuzzing"
cargo +nightly build --release --manifest-path fuzz/Cargo.toml --target "$target" \
  "${targets[@]/#/--bin=}"

failed=0
for name in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$name" "fuzz/artifacts/$name"
  log=$(mktemp)
  # Leaks are the business of asan.sh: a runtime that lives as long as the process is none.
  if "$CARGO_TARGET_DIR/$target/release/$name" "fuzz/corpus/$name" -max_total_time="$seconds" \
    -seed="${CORIO_FUZZ_SEED:-0}" -timeout=10 -max_len=512 -detect_leaks=0 -artifact_prefix="fuzz/artifacts/$name/" \
    -print_final_stats=1 >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "fuzz: $name: ${runs:-0} inputs in $seconds s"
    # A target that ran nothing has shown nothing.
    [ "${runs:-0}" -gt 1000 ] || { failed=1; echo "fuzz: $name has hardly run"; }
  else
    failed=1
    echo "fuzz: $name FAILED"
    tail -n 40 "$log"
  fi
  rm -f "$log"
done
exit "$failed"
