#!/usr/bin/env bash
set -euo pipefail
systemctl disable --now rpcbind.socket || true
