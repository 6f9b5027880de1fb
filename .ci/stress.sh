#!/usr/bin/env bash
# Stress tests with a printed seed; `CORIO_STRESS_SEED=N .ci/stress.sh` replays one and
# `CORIO_STRESS_SECONDS` (60) bounds the run. Arguments go to the test binary. The primitives' waits
# that are cut off at random follow, for a minute, one kind beside the other; then histories of all
# of them, which must have a sequential explanation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CORIO_STRESS_SEED=${CORIO_STRESS_SEED:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
export CORIO_STRESS_SECONDS=${CORIO_STRESS_SECONDS:-60}
echo "stress: CORIO_STRESS_SEED=$CORIO_STRESS_SEED CORIO_STRESS_SECONDS=$CORIO_STRESS_SECONDS"
cargo test --release -p corio-tests --test stress -- --nocapture "$@"
CORIO_SEED=$CORIO_STRESS_SEED CORIO_STRESS_MS=$((CORIO_STRESS_SECONDS * 500)) \
  cargo test --release -p corio-sync --test cancel_stress -- --nocapture
CORIO_SEED=$CORIO_STRESS_SEED CORIO_HISTORIES=1000 \
  cargo test --release -p corio-sync --test linear -- --nocapture explained
