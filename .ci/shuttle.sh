#!/usr/bin/env bash
# Runs every model under shuttle's random schedules, each in its own process: see .ci/models.py.
# .ci/shuttle.sh [--list] [--update] [--iterations N] [--timeout S] [FILTER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec python3 -B models.py shuttle "$@"
