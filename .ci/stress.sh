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
# Both packages each time: what they share is built once, with the same features.
stress=(cargo test --release -p corio-tests -p corio-sync)
"${stress[@]}" --test stress --test cancel_stress --test linear --no-run
"${stress[@]}" --test stress -- --nocapture "$@"
CORIO_SEED=$CORIO_STRESS_SEED CORIO_STRESS_MS=$((CORIO_STRESS_SECONDS * 500)) \
  "${stress[@]}" --test cancel_stress -- --nocapture
CORIO_SEED=$CORIO_STRESS_SEED CORIO_HISTORIES=1000 \
  "${stress[@]}" --test linear -- --nocapture explained
