#!/usr/bin/env bash
# Tests on a machine whose cores are taken away for up to 150 ms at a time, a third of the time in all:
# finds tests, and what they test, that count on a thread not being kept waiting. Not a part of
# `.ci/run`: it wants real-time scheduling, so root, and minutes for each test.
#
#   .ci/stalls.sh [ROUNDS] [TEST..]     3 rounds of all tests on each poller, four programs at a time
#
# CORIO_STALL_MS (150) and CORIO_STALL_PERCENT (35) say how much is taken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1:-3}
shift || true
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(runtime io faults debug awaits anomaly cancel conformance)
kept=target/stalls
rm -rf "$kept"
mkdir -p "$kept"
cc -O1 -pthread -o "$kept/stall" .ci/stall.c
cargo test -p corio-tests --no-run $(printf -- '--test=%s ' "${tests[@]}")
for test in "${tests[@]}"; do
  # The program that has just been built is the newest of its name.
  cp "$(find target/debug/deps -name "$test-*" ! -name '*.*' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2)" \
    "$kept/$test"
done
"$kept/stall" "${CORIO_STALL_MS:-150}" "${CORIO_STALL_PERCENT:-35}" &
stall=$!
trap 'kill $stall 2>/dev/null || true' EXIT
ulimit -n 20000 2>/dev/null || true
folder=$PWD
# one ROUND POLLER TEST
one() {
  local name="$3-$2-$1" start=$SECONDS
  if (cd tests && CARGO_MANIFEST_DIR=$folder/tests CORIO_POLLER=$2 "$folder/$kept/$3" >"$folder/$kept/$name.log" 2>&1 </dev/null); then
    echo "$name: ok, $((SECONDS - start)) s"
  else
    echo "$name: FAILED, see $kept/$name.log"
    sed -n '/^failures:$/,/^test result:/p' "$kept/$name.log" | head -n 40
    return 1
  fi
}
failed=0
for ((round = 1; round <= rounds; round++)); do
  for poller in native portable; do
    jobs=()
    for test in "${tests[@]}"; do
      one "$round" "$poller" "$test" &
      jobs+=($!)
      if [ ${#jobs[@]} -ge 4 ]; then
        wait "${jobs[0]}" || failed=1
        jobs=("${jobs[@]:1}")
      fi
    done
    for job in "${jobs[@]}"; do wait "$job" || failed=1; done
    kill -0 "$stall" || { echo "nobody takes the cores"; exit 1; }
  done
done
exit "$failed"
