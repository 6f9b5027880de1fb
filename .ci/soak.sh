#!/usr/bin/env bash
# Servers on corio under clients that misbehave, for a long time: examples/web under wrk, and echo
# servers, on plain TCP sockets and on asyncio's streams over a Unix socket, under clients of our own
# that half-close, reset, vanish and dawdle. Clients are killed at random (kill -9). In the end tasks,
# timers, sources and descriptors must be exactly as before, and memory must not have grown.
#
# No byte may be lost: each client process writes down what the system has taken from it and given to
# it, in a file that outlives its kill, and the server what it has read and written, each by the number
# that the client gave its conversation. The books of both are then balanced, conversation by
# conversation (tests/soak/books.rs).
#
#   .ci/soak.sh [MINUTES]    default 10; 3 of them, or a third if that is less, are warm-up
#
# Memory is looked at while nobody is connected, every REST_EVERY seconds, and after the C library has
# given back what it keeps of freed memory (meter.c, preloaded into both servers): so neither the
# largest burst so far nor the number of clients of the moment counts, and what is left to rise is a
# leak. The growth of what is resident, and of what is allocated, is the median of the last third of
# the looks after the warm-up less that of the first third, by the time between. It is judged from 4
# minutes on, and printed for less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

minutes=${1:-10}
case $minutes in
  "" | *[!0-9]* | 0) echo "usage: soak.sh [MINUTES]"; exit 2 ;;
esac
# KiB by which memory may grow each second after the warm-up, of each server.
SLOPE_MAX=1
# From so many minutes on the slope is judged.
JUDGED_FROM=4
# Seconds between two rests, and looks of the meter (two a second) that a rest is long.
REST_EVERY=8
REST_LOOKS=4
seconds=$((minutes * 60))
warm=$((seconds / 3 < 180 ? seconds / 3 : 180))
RANDOM=${CORIO_SOAK_SEED:-$$}
echo "soak: $minutes minutes, $warm s of warm-up, CORIO_SOAK_SEED=${CORIO_SOAK_SEED:-$$}"

for tool in wrk curl cc; do
  command -v "$tool" >/dev/null || { echo "soak: $tool is needed"; exit 1; }
done
cargo build --quiet --release --example web
cargo build --quiet --release -p corio-tests --bin soak
programs=${CARGO_TARGET_DIR:-target}/release
. .ci/servers.sh
cc -O1 -shared -fPIC -pthread -o "$dir/meter.so" .ci/meter.c

# slope FILE COLUMN: KiB per second, from lines of seconds and sizes.
slope() {
  local third=$(($(wc -l <"$1") / 3))
  [ "$third" -ge 1 ] || { echo 0; return; }
  { middle head "$@"; middle tail "$@"; } |
    awk 'NR == 1 { x = $1; y = $2 } END { printf "%.3f\n", ($2 - y) / ($1 - x) }'
}
# middle head|tail FILE COLUMN: the medians of that third's seconds and sizes.
middle() {
  local at=$(((third + 1) / 2))
  echo "$("$1" -n "$third" "$2" | cut -d' ' -f1 | sort -n | sed -n "${at}p")" \
    "$("$1" -n "$third" "$2" | cut -d' ' -f"$3" | sort -n | sed -n "${at}p")"
}
# grows FILE COLUMN: whether memory grows by more than it may.
grows() { awk -v s="$(slope "$@")" -v m="$SLOPE_MAX" 'BEGIN { exit !(s >= m) }'; }

# Who judges is judged first, by what is known: noise and bursts are no growth, and a leak is.
invent() { # invent LEAK: 40 looks in 420 s with noise of 200 KiB, one in ten of a burst, and a leak
  awk -v leak="$1" 'BEGIN {
    srand(1)
    for (t = 180; t < 600; t += 10.5)
      printf "%d %d\n", t, 20000 + 200 * rand() + (rand() < 0.1) * 9000 + leak * (t - 180)
  }' >"$dir/invented"
}
invent 0
check "noise and bursts are not taken for growth" eval '! grows "$dir/invented" 2'
invent 2
check "a leak of 2 KiB/s is found in them" grows "$dir/invented" 2

CORIO_METER=$dir/web.meter LD_PRELOAD=$dir/meter.so "$programs/examples/web" --addr 127.0.0.1:0 >"$dir/web" 2>"$dir/web.err" &
web=$! alive[$!]=web
mkdir "$dir/ledgers"
CORIO_METER=$dir/echo.meter LD_PRELOAD=$dir/meter.so "$programs/soak" serve "$dir/register" "$dir/unix" >"$dir/echo" 2>"$dir/echo.err" &
echo=$! alive[$!]=echo
url=$(said "$dir/web" "listening on ")
address=$(said "$dir/echo" "listening on ")
books=$(said "$dir/echo" "books on ")

book() { curl -sf -m 5 "http://$books/" | awk -v name="$1" '$1 == name { print $2 }'; }
# The task, the timer and the socket of who asks are among them, before and after.
web_state() {
  curl -sf -m 5 "$url/counts" | tr '\n' ' '
  echo "listed $(curl -sf -m 5 "$url/tasks" | wc -l) descriptors $(fds "$web")"
}
echo_state() {
  curl -sf -m 5 "http://$books/" |
    awk '/^(tasks|timers|sources|descriptors) / { printf "%s %s ", $1, $2 }'
}

client() {
  if [ $((RANDOM % 3)) = 0 ]; then
    local paths=(/ /json /sleep/5 /hash/1000)
    wrk -t1 -c$((16 + RANDOM % 100)) -d3600s --timeout 10s "$url${paths[RANDOM % 4]}" \
      >/dev/null 2>&1 &
  else
    talkers=$((talkers + 1))
    "$programs/soak" talk "$address" "$dir/unix" "$dir/ledgers/$talkers" "$talkers" "$RANDOM$RANDOM" \
      >/dev/null 2>>"$dir/clients" &
  fi
  alive[$!]=client
}

kill_client() { # kill_client PID: it must have run until now
  local code=0
  kill -9 "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || code=$?
  unset "alive[$1]"
  killed=$((killed + 1))
  [ "$code" = 137 ] || { ended=$((ended + 1)); echo "        a client had ended with $code"; }
}

clients() {
  local pid
  for pid in "${!alive[@]}"; do [ "${alive[$pid]}" = client ] && echo "$pid"; done
}

# One of each kind of request, so that what is made once is made.
curl -sf -m 5 "$url/json" "$url/hash/10" "$url/sleep/1" >/dev/null
curl -sf -m 5 "http://$books/" >/dev/null
# What these requests have opened may take a while to be closed on a busy machine.
steady() { # steady COMMAND: what it prints once that has stayed the same for 3 s; 40 s at most
  local found='' now same=0
  for _ in $(seq 40); do
    now=$("$1")
    if [ "$now" = "$found" ]; then same=$((same + 1)); else same=0; fi
    found=$now
    [ "$same" -lt 3 ] || break
    sleep 1
  done
  echo "$found"
}
web0=$(steady web_state) echo0=$(steady echo_state)
echo "        web: $web0; echo: $echo0"

kill_all() {
  local pid
  for pid in $(clients); do kill_client "$pid"; done
}

# Waits until the servers have closed what the clients have left, and the meters have looked at them for
# a while, and notes what they saw.
web_fds0=$(fds "$web") echo_fds0=$(fds "$echo")
alone() { [ "$(fds "$web")" -le "$web_fds0" ] && [ "$(fds "$echo")" -le "$echo_fds0" ]; }
rest() {
  kill_all
  local from
  until_true "$REST_EVERY" alone || true
  from=$(wc -l <"$dir/echo.meter")
  until_true 10 eval '[ "$(wc -l <"$dir/echo.meter")" -ge '$((from + REST_LOOKS))' ]' || true
  [ "$SECONDS" -lt "$warm" ] ||
    echo "$SECONDS $(tail -n 1 "$dir/web.meter") $(tail -n 1 "$dir/echo.meter")" >>"$dir/memory"
}

: >"$dir/memory"
killed=0 ended=0 talkers=0 next_rest=$REST_EVERY
SECONDS=0
# What is made once for many connections is made by bursts that are larger than what follows.
for path in / /json /sleep/5 /hash/1000 / /sleep/5; do
  [ "$SECONDS" -lt $((warm / 2)) ] || break
  wrk -t1 -c500 -d3s --timeout 10s "$url$path" >/dev/null 2>&1 || true
done
for _ in 1 2 3 4; do client; done
while [ "$SECONDS" -lt "$seconds" ]; do
  sleep 0.$((1 + RANDOM % 9))
  if [ "$SECONDS" -ge "$next_rest" ]; then
    rest
    next_rest=$((SECONDS + REST_EVERY))
    for _ in 1 2 3 4; do client; done
  fi
  mapfile -t list < <(clients)
  kill_client "${list[RANDOM % ${#list[@]}]}"
  client
done
kill_all

is() { found=$("$2") && [ "$found" = "$1" ]; }
# settled EXPECTED COMMAND: waits until it prints that again, for 40 s at most: a connection that a
# client has left half-open ends when the server's patience with its silence does.
settled() {
  local found
  until_true 40 is "$@" && return
  echo "        was $1, is $found"
  return 1
}

echo "        $killed clients killed"
check "web: tasks, timers, sources and descriptors as before" settled "$web0" web_state
check "echo: tasks, timers, sources and descriptors as before" settled "$echo0" echo_state
opened=$(book opened) orderly=$(book orderly) broken=$(book broken)
echo "        $opened connections, $orderly orderly, $broken broken"
check "every connection has ended" test "$opened" = $((orderly + broken))
check "every connection is written down" test "$opened" = "$(wc -l <"$dir/register")"
"$programs/soak" balance "$dir/register" "$dir/ledgers" >"$dir/balance" 2>&1 && agree=yes || agree=no
sed 's/^/        /' "$dir/balance"
check "no byte is lost: the books of $talkers clients and of the server agree" test "$agree" = yes
# Who judges is judged by these very books, less one byte: of a conversation that both have seen to its
# end, and of one whose client was cut off after the system had taken all that it offered.
confirmed=$(awk '$2 == "Confirmed" && $4 > 1 { print $1; exit }' "$dir"/ledgers/*)
cut_off=$(awk 'NR == FNR { if ($2 == "orderly") read[$1] = $3; next }
  $2 != "Confirmed" && $3 == $4 && $4 > 1 && read[$1] == $4 { print $1; exit }' "$dir/register" "$dir"/ledgers/*)
# less COLUMN NUMBER: whether the books are found wrong when that one is less by one in the server's.
less() {
  [ -n "$2" ] || return 1
  awk -v column="$1" -v number="$2" '$1 == number { $column -= 1 } { print }' "$dir/register" >"$dir/less"
  ! "$programs/soak" balance "$dir/less" "$dir/ledgers" >"$dir/found" 2>&1 && grep -q "^WRONG $2:" "$dir/found"
}
check "a byte less that came, of a conversation that was confirmed, is found" less 3 "$confirmed"
check "a byte less that went, of a conversation that was confirmed, is found" less 4 "$confirmed"
check "a byte less that came, of a client that was cut off, is found" less 3 "$cut_off"
# A machine that is busy with other things keeps a thread from running for so long that Watch tells
# of it. That is no finding here.
touch "$dir/clients"
sed -i '/has been inside .* use to_thread for work that blocks/d' "$dir/clients" "$dir/web.err" "$dir/echo.err"
check "no client met a wrong byte or a refusal" test "$ended" = 0 -a ! -s "$dir/clients"
head -n 5 "$dir/clients"
check "the servers said nothing" test ! -s "$dir/web.err" -a ! -s "$dir/echo.err"
head -n 5 "$dir/web.err" "$dir/echo.err"
echo "        memory at rest, in KiB, as seconds: resident/allocated of web, and of echo:"
awk '{ printf "          %d: %d/%d %d/%d\n", $1, $2, $3, $4, $5 }' "$dir/memory"
for what in "web, resident:2" "web, allocated:3" "echo, resident:4" "echo, allocated:5"; do
  column=${what#*:}
  what="${what%:*}: grew by $(slope "$dir/memory" "$column") KiB/s after $warm s, at most $SLOPE_MAX"
  if [ "$minutes" -ge "$JUDGED_FROM" ]; then
    check "$what" eval '! grows "$dir/memory" '"$column"
  else
    echo "        $what (not judged)"
  fi
done
verdict soak "$minutes minutes"
