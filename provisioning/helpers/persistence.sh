# shellcheck shell=bash
# needs: helpers/repositories.sh
# The persistence daemon, which keeps the GPU awake between tasks. The unit of Ubuntu's packages runs it with persistence mode
# off, and GRID's installer brings none; this one takes the place of either.

write_persistence_unit() {
  write_if_changed "$ROOT/etc/systemd/system/nvidia-persistenced.service" <<'UNIT'
[Unit]
Description=NVIDIA persistence daemon, with persistence mode on

[Service]
Type=forking
PIDFile=/run/nvidia-persistenced/nvidia-persistenced.pid
ExecStart=/usr/bin/nvidia-persistenced --persistence-mode --verbose
ExecStopPost=/bin/rm -rf /run/nvidia-persistenced
Restart=on-failure
RestartSec=5

[Install]
WantedBy=multi-user.target
UNIT
}
