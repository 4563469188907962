# shellcheck shell=bash
# The unit that seals. While it works, Docker is stopped, and nothing of the machine can be judged any more.

readonly SEAL_UNIT=batch-prep-seal

is_sealing() { [[ $(systemctl is-active "$SEAL_UNIT.service" || true) =~ ^(active|activating)$ ]]; }
