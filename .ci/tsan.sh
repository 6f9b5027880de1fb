#!/usr/bin/env bash
# Stress programs under ThreadSanitizer on a nightly toolchain. std is not rebuilt, so its own
# synchronization is invisible and would be reported; therefore only test targets called tsan_*
# run, which have `harness = false`, join threads by JoinHandle, avoid std's Mutex, mpsc and
# scoped threads, and are built with `--cfg corio_sanitize`. What is left of std's own is listed
# in tsan.supp, by the functions' names: so nothing is put into its caller that need not be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=x86_64-unknown-linux-gnu
RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg corio_sanitize"
export RUSTFLAGS="$RUSTFLAGS -Zinline-mir=no -Cllvm-args=-inline-threshold=-100000"
export CARGO_TARGET_DIR=target/tsan
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/.ci/tsan.supp}

mapfile -t programs < <(python3 -B .ci/targets.py test | grep -E ' tsan_' || true)
echo "tsan: ${#programs[@]} programs"
[ ${#programs[@]} -gt 0 ] || exit 0
# All packages each time: what they share is built once, with the same features.
tsan=(cargo +nightly test --release --target "$target")
mapfile -t packages < <(printf '%s\n' "${programs[@]% *}" | sort -u)
tsan+=("${packages[@]/#/--package=}")
# Only a program's own time is bounded: a build may take long on a busy machine.
"${tsan[@]}" --quiet "${programs[@]/#* /--test=}" --no-run
for program in "${programs[@]}"; do
  echo "tsan: $program"
  timeout -k 5 180 "${tsan[@]}" --test "${program#* }"
done
