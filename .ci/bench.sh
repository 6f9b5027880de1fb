#!/usr/bin/env bash
# The comparison with corio's peers: .ci/bench.sh [--only NAMES] [--rounds N] [--workers N] ...
# A figure is worth what its machine was doing: run it alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec cargo run --release -p corio-bench -- compare "$@"
