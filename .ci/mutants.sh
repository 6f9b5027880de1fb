#!/usr/bin/env bash
# Weakens each named ordering, fence and step in turn and expects a model to turn red: see
# .ci/mutants.py. .ci/mutants.sh [--all] [--part K/N] [--list] [--budget S] [--bound N] [SITE..]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec python3 -B models.py mutants "$@"
