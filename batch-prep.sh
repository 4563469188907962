#!/usr/bin/env bash
# Build a VM image for Azure Batch and create pools from it: ./batch-prep.sh --help
set -euo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
venv=${BATCH_PREP_VENV:-$root/.venv}
[[ $venv == /* ]] || venv=$root/$venv

if [[ ! -x $venv/bin/python ]]; then
  echo "First use: setting up (make setup) ..." >&2
  make --no-print-directory -C "$root" setup >&2
fi

# -P keeps the folder this is called from out of Python's path: it may hold a folder named cli.
PYTHONPATH=$root exec "$venv/bin/python" -P -m cli "$@"
