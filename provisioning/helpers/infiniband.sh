# shellcheck shell=bash
# needs: helpers/host.sh
# NVIDIA's InfiniBand stack: its modules, and the agent's configuration.

readonly WAAGENT_CONF=$ROOT/etc/waagent.conf

kernels_without_infiniband() { # that can boot; DKMS puts the stack's modules beside the kernel's own, which stay
  local kernel
  while read -r kernel; do
    [[ $(modinfo -k "$kernel" -F filename mlx5_ib 2>/dev/null) == */updates/* ]] || printf '%s\n' "$kernel"
  done < <(bootable_kernels)
}
