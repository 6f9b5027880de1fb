#!/usr/bin/env bash
# Instructions per operation of rows of the comparison, for machines whose clock says little:
#   .ci/instructions.sh ROW...
# under corio and tokio with one worker each, counted by valgrind over all threads. A count is what
# ten more passes need, so that starting and warming up are not in it. For rows whose passes have
# 10,000 operations: all that compare compositions and scopes, spawn_join_one, done_callback and the
# timers'.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --quiet --release -p corio-bench
program="${CARGO_TARGET_DIR:-target}/release/corio-bench"
more=10
operations=10000

# Instructions of one measurement: ROW RUNTIME PASSES.
count() {
    valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null \
        "$program" measure --row "$1" --runtime "$2" --workers 1 --warm-up 0 --measure 0 \
        --passes "$3" --steps-per-us 1 2>&1 >/dev/null |
        sed -n 's/.*I *refs: *//p' | tr -d ,
}

# Instructions of one operation: ROW RUNTIME.
each() {
    local few many
    few=$(count "$1" "$2" 1)
    many=$(count "$1" "$2" $((1 + more)))
    echo $(((many - few) / (more * operations)))
}

printf '| row | corio | tokio | times better |\n|---|---|---|---|\n'
for row in "$@"; do
    ours=$(each "$row" corio)
    theirs=$(each "$row" tokio)
    printf '| `%s` | %d | %d | %s |\n' "$row" "$ours" "$theirs" \
        "$(awk "BEGIN { printf \"%.2f\", $theirs / $ours }")"
done
