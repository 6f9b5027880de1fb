#!/usr/bin/env bash
# Runs every loom model in both passes, each in its own process: see .ci/models.py.
# .ci/loom.sh [--list] [--update] [--pass plain|sc|both] [--bound N] [--timeout S] [FILTER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec python3 -B models.py loom "$@"
