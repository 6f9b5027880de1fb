#!/usr/bin/env bash
# Stress tests with a printed seed; `CORIO_STRESS_SEED=N .ci/stress.sh` replays one and
# `CORIO_STRESS_SECONDS` (60) bounds the run. Arguments go to the test binary. The primitives' waits
# that are cut off at random follow, for as long, one kind after the other; then histories of all
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
# Each kind has its own threads, more than there are cores, so another one beside it would gain
# nothing: one at a time, the minute divided by their number.
kinds=$("${stress[@]}" --test cancel_stress -- --list 2>/dev/null | grep -c ': test$')
CORIO_SEED=$CORIO_STRESS_SEED CORIO_STRESS_MS=$((CORIO_STRESS_SECONDS * 1000 / kinds)) \
  "${stress[@]}" --test cancel_stress -- --nocapture --test-threads=1
CORIO_SEED=$CORIO_STRESS_SEED CORIO_HISTORIES=1000 \
  "${stress[@]}" --test linear -- --nocapture explained
