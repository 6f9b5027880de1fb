#!/usr/bin/env bash
# Instructions per operation of rows of the comparison, for machines whose clock says little:
#   .ci/instructions.sh ROW[:OPERATIONS]...
#   BEFORE=old/target/release/corio-bench .ci/instructions.sh ROW...
# under corio and tokio, with one worker each, counted by valgrind over all threads; with BEFORE also
# under the corio of another build. OPERATIONS are those of a pass, 10,000 unless said otherwise:
# yield_many:200000, ping_pong:1000. A count is what ten more passes need, so that starting and
# warming up are not in it. For Linux on x86-64.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v valgrind >/dev/null || { echo "apt-get install valgrind" >&2; exit 1; }
cargo build --quiet --release -p corio-bench
now="${CARGO_TARGET_DIR:-target}/release/corio-bench"
before=${BEFORE:-}
more=10

# Runs a command without prctl(PR_GET_AUXV). rustix asks it for the auxiliary vector, and gets the
# kernel's, which names a vDSO that is not there under valgrind; /proc/self/auxv, the next that it
# tries, is valgrind's own. The filter: prctl (157) with that first argument is EINVAL (22).
without_auxv() {
  python3 -c '
import ctypes, os, struct, sys
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, 157), (0x20, 0, 0, 16), (0x15, 0, 1, 0x41555856),
         (0x06, 0, 0, 0x50016), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit("no filter: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

# Instructions of one measurement: PROGRAM ROW RUNTIME PASSES.
count() {
  local said
  said=$(without_auxv valgrind --tool=cachegrind --cache-sim=no \
    --cachegrind-out-file=/dev/null "$1" measure --row "$2" --runtime "$3" --workers 1 \
    --warm-up 0 --measure 0 --passes "$4" --steps-per-us 1 2>&1) || { echo "$said" >&2; exit 1; }
  sed -n 's/.*I *refs: *//p' <<<"$said" | tr -d ,
}

# Instructions of one operation: PROGRAM ROW RUNTIME OPERATIONS.
each() {
  local few many
  few=$(count "$1" "$2" "$3" 1)
  many=$(count "$1" "$2" "$3" $((1 + more)))
  echo $(((many - few) / (more * $4)))
}

ratio() {
  awk "BEGIN { printf \"%.2f\", $1 / $2 }"
}

printf '| row | corio |%s tokio | times better |\n' "${before:+ before | times better |}"
printf '|---|---|%s---|---|\n' "${before:+---|---|}"
for arg in "$@"; do
  row=${arg%%:*}
  operations=10000
  [ "$row" = "$arg" ] || operations=${arg#*:}
  ours=$(each "$now" "$row" corio "$operations")
  printf '| `%s` | %d |' "$row" "$ours"
  if [ -n "$before" ]; then
    theirs=$(each "$before" "$row" corio "$operations")
    printf ' %d | %s |' "$theirs" "$(ratio "$theirs" "$ours")"
  fi
  theirs=$(each "$now" "$row" tokio "$operations")
  printf ' %d | %s |\n' "$theirs" "$(ratio "$theirs" "$ours")"
done
