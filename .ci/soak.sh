#!/usr/bin/env bash
# Two servers on corio under clients that misbehave, for a long time: examples/web under wrk, and an
# echo server under clients of our own that half-close, reset, vanish and dawdle. Clients are killed
# at random (kill -9). In the end tasks, timers and descriptors must be exactly as before, every byte
# of an orderly connection must have gone back, and memory must not have grown.
#
#   .ci/soak.sh [MINUTES]    default 10; 3 of them, or a third if that is less, are warm-up
#
# The growth of memory is judged from 8 minutes on, and printed for less: what the C library keeps of
# its first loads is more than a leak would be in so short a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

minutes=${1:-10}
case $minutes in
  "" | *[!0-9]* | 0) echo "usage: soak.sh [MINUTES]"; exit 2 ;;
esac
# KiB by which resident memory may grow each second after the warm-up, of each server.
SLOPE_MAX=1
# From so many minutes on the slope is judged.
JUDGED_FROM=8
seconds=$((minutes * 60))
warm=$((seconds / 3 < 180 ? seconds / 3 : 180))
RANDOM=${CORIO_SOAK_SEED:-$$}
echo "soak: $minutes minutes, $warm s of warm-up, CORIO_SOAK_SEED=${CORIO_SOAK_SEED:-$$}"

command -v wrk >/dev/null && command -v curl >/dev/null || { echo "soak: wrk and curl are needed"; exit 1; }
cargo build --quiet --release --example web
cargo build --quiet --release -p corio-tests --bin soak
programs=${CARGO_TARGET_DIR:-target}/release
. .ci/servers.sh

"$programs/examples/web" --addr 127.0.0.1:0 >"$dir/web" 2>"$dir/web.err" &
web=$! alive[$!]=web
"$programs/soak" serve >"$dir/echo" 2>"$dir/echo.err" &
echo=$! alive[$!]=echo
url=$(said "$dir/web" "listening on ")
address=$(said "$dir/echo" "listening on ")
books=$(said "$dir/echo" "books on ")

book() { curl -sf -m 5 "http://$books/" | awk -v name="$1" '$1 == name { print $2 }'; }
# The task that answers is one of them, before and after.
web_state() { echo "tasks $(curl -sf -m 5 "$url/tasks" | wc -l) descriptors $(fds "$web")"; }
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
    "$programs/soak" talk "$address" "$RANDOM$RANDOM" >/dev/null 2>>"$dir/clients" &
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
sleep 1
web0=$(web_state) echo0=$(echo_state)
echo "        web: $web0; echo: $echo0"

killed=0 ended=0 next_look=0
SECONDS=0
# The C library keeps what a burst has needed for the next one. So the warm-up begins with bursts that
# are larger than what follows; else memory would rise with each burst that is the largest so far.
for path in / /json /sleep/5 /hash/1000 / /sleep/5; do
  [ "$SECONDS" -lt $((warm / 2)) ] || break
  wrk -t1 -c500 -d3s --timeout 10s "$url$path" >/dev/null 2>&1 || true
done
for _ in 1 2 3 4; do client; done
while [ "$SECONDS" -lt "$seconds" ]; do
  sleep 0.$((1 + RANDOM % 9))
  mapfile -t list < <(clients)
  kill_client "${list[RANDOM % ${#list[@]}]}"
  client
  if [ "$SECONDS" -ge "$next_look" ]; then
    echo "$SECONDS $(rss "$web") $(rss "$echo")" >>"$dir/rss"
    next_look=$((SECONDS + 2))
  fi
done
mapfile -t list < <(clients)
for pid in "${list[@]}"; do kill_client "$pid"; done

is() { found=$("$2") && [ "$found" = "$1" ]; }
# settled EXPECTED COMMAND: waits until it prints that again, for 40 s at most: a connection that a
# client has left half-open ends when the server's patience with its silence does.
settled() {
  local found
  until_true 40 is "$@" && return
  echo "        was $1, is $found"
  return 1
}

# slope COLUMN: KiB per second after the warm-up, by least squares.
slope() {
  awk -v c="$1" -v warm="$warm" '$1 >= warm { n++; x += $1; y += $c; xx += $1 * $1; xy += $1 * $c }
    END { if (n < 2) print 0; else printf "%.3f\n", (n * xy - x * y) / (n * xx - x * x) }' "$dir/rss"
}
span() {
  awk -v c="$1" -v warm="$warm" '$1 >= warm { if (!n++) first = $c; last = $c }
    END { print first " to " last " KiB" }' "$dir/rss"
}

echo "        $killed clients killed"
check "web: tasks and descriptors as before" settled "$web0" web_state
check "echo: tasks, timers, sources and descriptors as before" settled "$echo0" echo_state
opened=$(book opened) orderly=$(book orderly) broken=$(book broken)
read=$(book read) written=$(book written)
echo "        $opened connections, $orderly orderly, $broken broken; $read bytes came, $written went"
check "every connection has ended" test "$opened" = $((orderly + broken))
check "no byte of an orderly connection is lost" test "$read" = "$written" -a "$read" -gt 0
# A machine that is busy with other things keeps a thread from running for so long that Watch tells
# of it. That is no finding here.
touch "$dir/clients"
sed -i '/has been inside .* use to_thread for work that blocks/d' "$dir/clients" "$dir/web.err" "$dir/echo.err"
check "no client met a wrong byte or a refusal" test "$ended" = 0 -a ! -s "$dir/clients"
head -n 5 "$dir/clients"
check "the servers said nothing" test ! -s "$dir/web.err" -a ! -s "$dir/echo.err"
head -n 5 "$dir/web.err" "$dir/echo.err"
echo "        memory at each minute, in KiB: $(awk '$1 >= 60 * m { printf "%s/%s ", $2, $3; m = int($1 / 60) + 1 }' "$dir/rss")"
for server in web:2 echo:3; do
  name=${server%:*} column=${server#*:}
  found=$(slope "$column")
  what="$name: memory grew by $found KiB/s after $warm s ($(span "$column")), at most $SLOPE_MAX"
  if [ "$minutes" -ge "$JUDGED_FROM" ]; then
    check "$what" awk -v s="$found" -v m="$SLOPE_MAX" 'BEGIN { exit !(s < m) }'
  else
    echo "        $what (not judged)"
  fi
done
verdict soak "$minutes minutes"
