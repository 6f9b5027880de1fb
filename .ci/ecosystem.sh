#!/usr/bin/env bash
# Every library that corio says it works with, at work: builds examples/ecosystem, runs each of its
# programs, which check what they do and end by themselves, and its tests.
#
#   bash .ci/ecosystem.sh              all of it
#   bash .ci/ecosystem.sh quic_quinn   this program
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

# A program that takes longer hangs.
SECONDS_MAX=60

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/ecosystem} CARGO_INCREMENTAL=0
manifest=(--locked --manifest-path examples/ecosystem/Cargo.toml)

programs=("$@")
if [ $# -eq 0 ]; then
  for file in examples/ecosystem/src/bin/*.rs; do programs+=("$(basename "$file" .rs)"); done
fi
[ "${#programs[@]}" -gt 0 ] || { echo "there is no program"; exit 1; }

cargo build "${manifest[@]}" --bins || exit 1
failed=0
for program in "${programs[@]}"; do
  echo "-- $program"
  timeout -k 5 "$SECONDS_MAX" "$CARGO_TARGET_DIR/debug/$program" ||
    { echo "-- $program FAILED with $?"; failed=1; }
done
if [ $# -eq 0 ]; then
  cargo test "${manifest[@]}" --test '*' || failed=1
  # What the libraries' features add to corio itself; the tests of the workspace do without them.
  export CARGO_TARGET_DIR=target
  context=(-p corio-runtime --features tokio-context)
  adapters=(-p corio-io --features quinn_0_11,hickory_0_26)
  cargo test "${context[@]}" --lib -- tokio_context || failed=1
  cargo test "${context[@]}" --doc -- builder || failed=1
  cargo test "${adapters[@]}" --lib -- compat || failed=1
  cargo test "${adapters[@]}" --doc -- compat || failed=1
fi
exit "$failed"
