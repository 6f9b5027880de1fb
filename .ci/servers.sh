# What web.sh and soak.sh share, each of which drives servers: a folder that goes in the end, together
# with all processes that are still alive then; checks that are counted; a server's lines and numbers.
# To be sourced.

dir=$(mktemp -d)
# The processes that a script has started, by their number: what each is.
declare -A alive=()
finish() {
  # Each by its own number; one that has ended is none any more.
  for pid in "${!alive[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Descriptors for many connections, where the system has them.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

failures=0
check() { # check WHAT CONDITION..
  local what=$1
  shift
  if "$@"; then echo "ok      $what"; else
    echo "FAILED  $what"
    failures=$((failures + 1))
  fi
}

# verdict NAME TEXT: the last line, and the exit code.
verdict() {
  if [ "$failures" != 0 ]; then
    echo "$1: $failures checks failed"
    exit 1
  fi
  echo "$1: all checks passed ($2)"
}

# until_true SECONDS COMMAND..: waits until it succeeds, for so long at most.
until_true() {
  local tries=$(($1 * 10))
  shift
  for _ in $(seq "$tries"); do
    "$@" && return
    sleep 0.1
  done
  return 1
}

# said FILE PREFIX: waits for a line of a server, and prints what follows the prefix.
said() {
  until_true 10 grep -q "^$2" "$1" && sed -n "s|^$2||p" "$1"
}

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
fds() { find "/proc/$1/fd" -mindepth 1 | wc -l; }

# stop PID: ends a process that was started.
stop() {
  kill -9 "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
  unset "alive[$1]"
}
