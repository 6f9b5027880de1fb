#!/usr/bin/env bash
# The web example under real load generators: wrk at 64 and at 1,000 connections beside a client
# that sends one byte at a time and a handler that blocks for 300 ms every second, h2load over
# HTTP/2, clients killed under load, and an orderly Ctrl-C. Then the restart example, which is replaced
# again and again under wrk.
#
#   bash .ci/web.sh            the full form, about 3 minutes: wrk runs 30 s each
#   bash .ci/web.sh --short    the same steps with 3 s each, and the same judgements
#
# Loads nothing but 127.0.0.1, and ends all that it has started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

seconds=30 requests=200000 form=full
case ${1:-} in
  --short) seconds=3 requests=20000 form=short ;;
  "") ;;
  *) echo "usage: web.sh [--short]"; exit 2 ;;
esac
# The worst p99 of `/` at 64 connections, in ms, with all that goes on beside.
P99_MAX=10
# What the server has allocated may grow by this part of what it was before the measured loads, in percent.
GROWTH_MAX=1
# And what is resident by this: pages in which little is left make it differ by 3 % from load to load while
# nothing more is allocated. It is for what no allocation shows, such as the stacks of threads.
RESIDENT_MAX=10
# Loads before, with the same company: for so many nobody looks, and then after each of so many.
WARM_UPS=4
LOOKS=5
# Looks of the meter, two a second, that a rest is long.
REST_LOOKS=4

need() {
  command -v "$1" >/dev/null && return
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  echo "installing $2"
  "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq "$2" >/dev/null
}
need wrk wrk
need h2load nghttp2-client
need curl curl
need cc build-essential

cargo build --quiet --release --example web --example restart
web=${CARGO_TARGET_DIR:-target}/release/examples/web
restart=${CARGO_TARGET_DIR:-target}/release/examples/restart
. .ci/servers.sh
cc -O1 -shared -fPIC -pthread -o "$dir/meter.so" .ci/meter.c
server=

start() {
  # Not the lines of the server before.
  : >"$dir/out"
  CORIO_METER=$dir/meter CORIO_METER_WHILE=$dir/rests LD_PRELOAD=$dir/meter.so \
    "$web" --addr 127.0.0.1:0 --workers 2 --misbehave >"$dir/out" 2>"$dir/err" &
  server=$! alive[$!]=server
  url=$(said "$dir/out" "listening on ") && return
  echo "the server did not start:"
  cat "$dir/err"
  exit 1
}

# Whether the list of tasks has such a line.
listed() { curl -sf -m 5 "$url/tasks" | grep -Eq "$1"; }
shown() {
  until_true 30 listed "$1" && return
  curl -s -m 5 "$url/tasks"
  return 1
}
SPAWNED=', spawned at .+\.rs:[0-9]+:[0-9]+$'
SLEEPER='.+: sleep at examples/web\.rs:[0-9]+:[0-9]+'"$SPAWNED"

# The first Ctrl-C, and the server's word that it has heard it.
interrupt() {
  kill -INT "$server"
  until_true 30 grep -q "Ctrl-C again" "$dir/out"
}

# Waits for the server's end; its exit code is in `code`.
ended() {
  code=0
  wait "$server" || code=$?
  unset "alive[$server]"
  server=
}

# A server that was interrupted for the first time, with a request that takes longer than the drain.
interrupted() {
  start
  curl -s -m 40 "$url/sleep/30000" >"$dir/never" &
  never=$!
  alive[$never]=client
  shown "$SLEEPER"
  began=$SECONDS
  interrupt
}

# The task that answers is one of them, before and after.
tasks() { curl -sf -m 5 "$url/tasks" | wc -l; }

as_before() { [ "$(fds "$server")" = "$1" ] && [ "$(tasks)" = "$2" ]; }
# Waits until descriptors and tasks are what they were, for 30 s at most.
settled() {
  until_true 30 as_before "$@" && return
  echo "descriptors: $(fds "$server"), were $1; tasks: $(tasks), were $2"
  curl -s -m 5 "$url/tasks" | sort | uniq -c | sort -rn | head -5
  return 1
}

slow_client() {
  local host=${url#http://} request byte i
  request=$'GET / HTTP/1.1\r\nHost: slow\r\nConnection: close\r\n\r\n'
  while :; do
    exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
    for ((i = 0; i < ${#request}; i++)); do
      byte=${request:i:1}
      printf '%s' "$byte" >&3
      sleep 0.02
    done
    if head -1 <&3 | grep -q "200 OK"; then echo answered; else echo refused; fi
    exec 3>&-
  done
}

blocker() {
  while :; do
    curl -sf -o /dev/null -m 5 "$url/block/300" || echo "the blocking handler failed"
    sleep 0.7
  done
}

# says COMMAND..: what it prints is what is expected, to the last byte but the final newlines.
says() {
  local expected=$1 found
  shift
  found=$("$@") || return 1
  [ "$found" = "$expected" ] || { echo "        said $found" && return 1; }
}

# load CONNECTIONS SECONDS FILE
load() {
  wrk -t1 -c"$1" -d"$2"s --timeout 5s --latency "$url/" >"$3" 2>&1
}

p99_ms() {
  awk '$1 == "99%" {
    v = $2
    if (v ~ /us$/) print v / 1000; else if (v ~ /ms$/) print v + 0; else print v * 1000
  }' "$1"
}

clean() { ! grep -E "Socket errors|Non-2xx" "$1" && grep -q "Requests/sec" "$1"; }

summary() {
  awk '/Requests\/sec/ { r = $2 } $1 == "50%" { a = $2 } $1 == "99%" { b = $2 }
    END { print r " requests/s, p50 " a ", p99 " b }' "$1"
}

# The two troublemakers, and their end.
company() {
  slow_client >"$dir/slow" 2>&1 &
  slow=$!
  blocker >"$dir/blocker" 2>&1 &
  block=$!
  alive[$slow]=client alive[$block]=client
}
alone() {
  stop "$slow"
  stop "$block"
}

with_company() { # with_company CONNECTIONS: the measured load beside the two troublemakers
  company
  load "$1" "$seconds" "$dir/wrk$1" || true
  # A request of a byte at a time takes its time, and a slow machine may need more than a short load has:
  # then the load goes on.
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    ! grep -q answered "$dir/slow" || break
    load "$1" "$seconds" "$dir/again" || true
  done
  alone
  echo "        $1 connections: $(summary "$dir/wrk$1")"
  check "wrk at $1 connections without errors" clean "$dir/wrk$1"
  check "the slow client was answered beside $1 connections" grep -q answered "$dir/slow"
  check "and never refused" sh -c '! grep -q refused "$1"' - "$dir/slow"
  check "the blocking handler has worked beside $1 connections" test ! -s "$dir/blocker"
}

start
echo "== handlers"
check "/ is plain text" says "Hello from corio!" curl -sf -m 5 "$url/"
check "/json is JSON" says '{"message":"Hello from corio!"}
application/json' curl -sf -m 5 -w '%{content_type}' "$url/json"
head -c 100000 /dev/urandom >"$dir/body"
curl -sf -m 5 -o "$dir/echoed" --data-binary "@$dir/body" "$url/echo" || true
check "/echo gives the body back" cmp "$dir/body" "$dir/echoed"
check "/sleep/20 sleeps" says "slept 20 ms" curl -sf -m 5 "$url/sleep/20"
# FNV-1a of one zero byte.
check "/hash/1 computes" says "af63bd4c8601b7df" curl -sf -m 5 "$url/hash/1"
check "another path is not found" says 404 \
  curl -s -m 5 -o "$dir/none" -w '%{http_code}' "$url/nothing"
curl -sf -m 20 "$url/sleep/5000" >"$dir/slept" &
asleep=$!
alive[$asleep]=client
check "/tasks tells where a task waits" shown "$SLEEPER"
check "/tasks tells what accepts" listed '.+: accept at .+:[0-9]+:[0-9]+'"$SPAWNED"
check "/tasks tells who answers" listed '.+: running'"$SPAWNED"
check "/counts counts tasks, timers and sockets" says "tasks timers sources" \
  sh -c 'curl -sf -m 5 "$1/counts" | awk "\$2 ~ /^[0-9]+\$/ { printf \"%s%s\", s, \$1; s = \" \" }"' - "$url"
stop "$asleep"
for bad in "--workers 0" "--workers two" "--addr nonsense" "--fast"; do
  # shellcheck disable=SC2086 # two words
  "$web" $bad >"$dir/bad" 2>&1 && code=0 || code=$?
  check "$bad is refused in one line that names it" \
    sh -c '[ "$1" = 1 ] && [ "$(wc -l <"$2")" = 1 ] && grep -qF -- "$3" "$2"' - \
    "$code" "$dir/bad" "$(echo "$bad" | sed 's/--workers 0/workers(0)/; s/--addr //')"
done

# KiB that the server holds while nobody is connected: resident, and allocated, after the C library has
# given back what it keeps of freed memory (meter.c).
rest() {
  until_true 30 as_before "$fds0" "$tasks0" || true
  : >"$dir/meter"
  : >"$dir/rests"
  until_true 20 rested || true
  rm "$dir/rests"
  read -r resident allocated < <(tail -n 1 "$dir/meter")
}
rested() { [ "$(wc -l <"$dir/meter")" -ge "$REST_LOOKS" ]; }

# What is made once for many connections, and kept, is made by loads like those that are measured. The
# most that is held after one of the last of them is what is held before; it is not looked at again.
echo "== warm-up"
sleep 1
fds0=$(fds "$server") tasks0=$(tasks)
resident0=0 allocated0=0
for round in $(seq $((WARM_UPS + LOOKS))); do
  company
  load 64 1 "$dir/warm" || true
  load 1000 2 "$dir/warm" || true
  alone
  # HTTP/2 has buffers of its own.
  h2load -n 20000 -c 16 -m 10 "$url/" >"$dir/warm" 2>&1 || true
  [ "$round" -gt "$WARM_UPS" ] || continue
  rest
  echo "        at rest: $resident KiB resident, $allocated allocated"
  [ "$resident" -le "$resident0" ] || resident0=$resident
  [ "$allocated" -le "$allocated0" ] || allocated0=$allocated
done
# What some requests have opened once, for good, is there now.
fds0=$(fds "$server") tasks0=$(tasks)
echo "        $fds0 descriptors, $tasks0 tasks"

echo "== wrk"
# Cores that others may use beside a load that is judged.
OTHERS_MAX=0.1
quiet() { awk -v used="$1" -v max="$OTHERS_MAX" 'BEGIN { exit !(used <= max) }'; }
within_p99() { awk -v p="$p99" -v m="$P99_MAX" 'BEGIN { exit !(p != "" && p <= m) }'; }
# Ticks of the clock that the machine has spent on others than the server and this script's programs.
others() {
  awk -v shell=$$ '
    FILENAME == "/proc/stat" { if ($1 == "cpu") all = $2 + $3 + $4 + $7 + $8 + $9; next }
    { own += $14 + $15 + ($1 == shell ? $16 + $17 : 0) }
    END { print all - own }' /proc/stat "/proc/$$/stat" "/proc/$server/stat"
}
# A server that is slow is slow each time. One percent of the requests is late also if the machine does
# something else for a hundredth of the load, which is not the server's doing. So the best of three loads
# is judged, and a load counts only if others left it the cores: else it is made again.
tried='' judged=0
for _ in 1 2 3 4 5 6 7 8; do
  before=$(others) began=$EPOCHREALTIME
  with_company 64
  used=$(awk -v ticks=$(($(others) - before)) -v hz="$(getconf CLK_TCK)" -v a="$began" -v b="$EPOCHREALTIME" \
    'BEGIN { printf "%.2f", ticks / hz / (b - a) }')
  p99=$(p99_ms "$dir/wrk64")
  tried="$tried${tried:+, }$p99 ($used)"
  if within_p99; then break; fi
  quiet "$used" && judged=$((judged + 1))
  [ "$judged" -lt 3 ] || break
done
if within_p99 || [ "$judged" -ge 3 ]; then
  check "p99 at 64 connections in ms (and the cores that others used): $tried; at most $P99_MAX in one of three" \
    within_p99
else
  echo "NOT SHOWN: p99 at 64 connections: $tried ms while others used so many cores, at most $P99_MAX"
fi
with_company 1000

echo "== h2load"
h2load -n "$requests" -c 16 -m 10 "$url/" >"$dir/h2" 2>&1 || true
echo "        $(grep -E '^finished' "$dir/h2" || tail -1 "$dir/h2")"
check "h2load without errors" \
  grep -qE "requests: .* $requests succeeded, 0 failed, 0 errored, 0 timeout" "$dir/h2"

check "descriptors and tasks as before" settled "$fds0" "$tasks0"
rest
for what in "allocated $allocated $allocated0 $GROWTH_MAX" "resident $resident $resident0 $RESIDENT_MAX"; do
  read -r kind now was percent <<<"$what"
  check "memory as before: $now KiB $kind, at most $was before, and $percent % more" \
    test $((now * 100)) -le $((was * (100 + percent)))
done

echo "== clients killed under load"
for _ in 1 2 3; do
  load 200 30 "$dir/killed" &
  victim=$!
  alive[$victim]=client
  sleep 1
  # wrk is a child of the subshell that runs load.
  inner=$(pgrep -P "$victim" wrk || true)
  kill -9 $inner 2>/dev/null || true
  stop "$victim"
done
check "descriptors and tasks as before after kill -9" settled "$fds0" "$tasks0"

echo "== faults"
check "a handler that panics closes its connection" sh -c '! curl -sf -m 5 "$1/panic"' - "$url"
check "and no other" curl -sf -o /dev/null -m 5 "$url/"
check "its message is printed" grep -q "a handler panics" "$dir/err"
"$web" --addr "${url#http://}" >"$dir/second" 2>&1 && code=0 || code=$?
check "a port in use: one line and exit code 1" \
  sh -c '[ "$1" = 1 ] && [ "$(wc -l <"$2")" = 1 ] && grep -q "${3#http://}" "$2"' - \
  "$code" "$dir/second" "$url"
sed 's/^/        /' "$dir/second"

echo "== Ctrl-C"
curl -sf -m 20 "$url/sleep/5000" >"$dir/last" &
last=$!
alive[$last]=client
shown "$SLEEPER"
interrupt
check "no new connections" sh -c '! curl -s -o /dev/null -m 2 "$1/"' - "$url"
wait "$last" || true
unset "alive[$last]"
check "the request in progress was answered" grep -q "slept 5000 ms" "$dir/last"
ended
check "exit code 0, was $code" test "$code" = 0
sed 's/^/        /' "$dir/out"
check "nothing was left" grep -q "none was left" "$dir/out"

echo "== the deadline of the drain"
interrupted
ended
sed 's/^/        /' "$dir/out"
# Without a deadline it would wait for the request, which sleeps for 30 s.
check "it ended at the deadline, after $((SECONDS - began)) s of 10" \
  test $((SECONDS - began)) -ge 9 -a $((SECONDS - began)) -le 20
check "exit code 0, was $code" test "$code" = 0
check "what was left is reported" grep -q "1 were left" "$dir/out"
stop "$never"

echo "== a second Ctrl-C"
interrupted
began=$SECONDS
kill -INT "$server"
ended
# The drain would go on for some 10 s.
check "exit code 130 at once, was $code after $((SECONDS - began)) s" \
  test "$code" = 130 -a $((SECONDS - began)) -le 5
stop "$never"

echo "== a rolling restart"
RESTARTS=3
# The one that serves now: the last to have said so.
serves() { sed -n 's/^\([0-9]*\) serves .*/\1/p' "$dir/restarts" | tail -n 1; }
served_by_another() { [ "$(serves)" != "$generation" ]; }
"$restart" 127.0.0.1:0 >"$dir/first" 2>"$dir/restarts" &
generation=$! alive[$!]=restart
until_true 10 grep -q " serves " "$dir/restarts"
address=$(sed -n 's/^.* serves //p' "$dir/restarts")
wrk -t1 -c64 -d$((seconds + RESTARTS))s --timeout 30s "http://$address/" >"$dir/rolled" 2>&1 &
load=$!
alive[$load]=client
predecessors=()
for _ in $(seq "$RESTARTS"); do
  sleep 1
  kill -HUP "$generation"
  until_true 30 served_by_another || break
  predecessors+=("$generation")
  generation=$(serves)
  alive[$generation]=restart
done
wait "$load" || true
unset "alive[$load]"
echo "        $(grep Requests/sec "$dir/rolled")"
check "wrk notices none of $RESTARTS restarts" clean "$dir/rolled"
check "the server was replaced each time" test "${#predecessors[@]}" = "$RESTARTS"
check "the last one answers" says "I am $generation" curl -sf -m 5 "http://$address/"
gone() { local pid; for pid in "$@"; do [ ! -e "/proc/$pid/cwd" ] || return 1; done; }
check "its predecessors have ended" until_true 30 gone "${predecessors[@]}"
for pid in "${predecessors[@]}"; do unset "alive[$pid]"; done
check "each when it had answered all" \
  test "$(grep -c "has answered all of its requests" "$dir/restarts")" = "$RESTARTS"
kill -INT "$generation"
check "Ctrl-C ends the last one" until_true 30 gone "$generation"
unset "alive[$generation]"
sed 's/^/        /' "$dir/restarts"

echo
verdict web "$form form, $SECONDS s"
