#!/usr/bin/env bash
# Unit and integration tests under AddressSanitizer (and LeakSanitizer) on a nightly toolchain.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=x86_64-unknown-linux-gnu
export RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/asan
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}
# A leak is suppressed by a function on the stack of its allocation; a sanitizer's frame pointers
# are enough to find it.
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/.ci/lsan.supp:print_suppressions=0}

# All packages each time: what they share is built once, with the same features.
asan=(cargo +nightly test --target "$target" -p corio-sync -p corio-runtime -p corio-io -p corio-tests)

echo "asan: library tests"
"${asan[@]}" --lib

# The primitives' own tests: the random cancels (CORIO_SEED replays them) for a moment each, and few
# histories, whose check is a search. What waiters leave behind is measured elsewhere: here the
# sanitizer keeps freed memory itself.
export CORIO_SEED=${CORIO_SEED:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
export CORIO_STRESS_MS=${CORIO_STRESS_MS:-500} CORIO_HISTORIES=${CORIO_HISTORIES:-40}
mapfile -t names < <(python3 -B .ci/targets.py test corio-sync | grep -vE '^tsan_.*$')
echo "asan: tests of corio-sync ${names[*]}; CORIO_SEED=$CORIO_SEED CORIO_STRESS_MS=$CORIO_STRESS_MS"
"${asan[@]}" "${names[@]/#/--test=}" -- --skip leave_no_memory

# House reads sources only; stress and the tsan programs have parts of their own; anomaly limits the
# address space, which a sanitizer fills; faults catches the system calls of the whole program, the
# sanitizer's own among them.
mapfile -t names < <(python3 -B .ci/targets.py test corio-tests |
  grep -vE '^(house|stress|anomaly|faults|tsan_.*)$')
if [ ${#names[@]} -eq 0 ]; then
  echo "asan: no integration test to run"
  exit
fi
echo "asan: integration tests ${names[*]}"
"${asan[@]}" "${names[@]/#/--test=}"
