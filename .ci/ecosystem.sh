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
  adapters=(-p corio-runtime -p corio-io)
  adapters+=(--features corio-runtime/tokio-context,corio-io/quinn_0_11,corio-io/hickory_0_26)
  cargo test "${adapters[@]}" --lib -- tokio_context compat || failed=1
  cargo test "${adapters[@]}" --doc -- builder compat || failed=1
fi
exit "$failed"
