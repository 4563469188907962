# shellcheck shell=bash
# needs: helpers/infiniband.sh helpers/checks.sh
# Checks of InfiniBand; each gives a verdict (helpers/checks.sh).

check_infiniband_stack() { # the builder: it may have no InfiniBand, and proves what the image brings
  local kernels
  kernels=$(kernels_without_infiniband | tr '\n' ' ')
  if [[ -n $kernels ]]; then
    verdict fail IB_MODULE_MISSING "kernels without the stack's module mlx5_ib: $kernels"
  elif ! command -v ibstat >/dev/null; then
    verdict fail IB_TOOLS_MISSING 'ibstat is missing'
  elif ! grep -qx 'OS.EnableRDMA=y' "$WAAGENT_CONF"; then
    verdict fail IB_AGENT "the Azure agent does not configure RDMA: $WAAGENT_CONF"
  elif ! memory_is_unlocked; then
    verdict fail IB_MEMLOCK 'containers may not lock as much memory as they like'
  else
    verdict pass '' ''
  fi
}

check_infiniband_node() { # a node of a size with RDMA
  local port devices=() active=0
  for port in "$ROOT"/sys/class/infiniband/*/ports/*; do # the device of accelerated networking is here, too: Ethernet
    [[ $(<"$port/link_layer") == InfiniBand ]] || continue
    devices+=("$port")
    [[ $(<"$port/state") != *ACTIVE* ]] || active=$((active + 1))
  done
  VERDICT_DATA=$(printf '{"ports":%d,"active":%d}' "${#devices[@]}" "$active")
  if [[ ${#devices[@]} -eq 0 ]]; then
    verdict fail IB_ABSENT "size '$VM_SIZE' has InfiniBand, and no such device is here"
  elif ((active < ${#devices[@]})); then
    verdict fail IB_PORT_DOWN "$active of ${#devices[@]} InfiniBand ports are active"
  elif ! memory_is_unlocked; then
    verdict fail IB_MEMLOCK 'containers may not lock as much memory as they like'
  else
    verdict pass '' "${#devices[@]} ports"
  fi
}

memory_is_unlocked() { # for what Docker starts: InfiniBand registers memory by locking it
  [[ $(systemctl show --property=LimitMEMLOCK --value docker.service) == infinity ]]
}
