# shellcheck shell=bash
# needs: helpers/repositories.sh
# What NCCL has to know of Azure's sizes with eight GPUs: which GPU and which InfiniBand device are close to each other. The
# virtual machine does not show it. The addresses are those of Azure's images (https://github.com/Azure/azhpc-images,
# topology/), and so are the names of the files, which images of containers know.

readonly TOPOLOGY_DIR=$ROOT/opt/microsoft

write_topologies() {
  # CPU, its cores (a bit each); then a group for each switch: its GPUs, and as many InfiniBand devices.
  write_topology ndv4 'vendor="AuthenticAMD" familyid="23" modelid="49"' '16 GT/s' \
    0 00000000,00000000,00ffffff '0003,0004:0103,0104' \
    1 00000000,0000ffff,ff000000 '0001,0002:0101,0102' \
    2 000000ff,ffff0000,00000000 '000d,000e:0107,0108' \
    3 ffffff00,00000000,00000000 '000b,000c:0105,0106'
  write_topology ndv5 'vendor="GenuineIntel" familyid="6" modelid="143"' '32.0 GT/s PCIe' \
    0 00000000,0000ffff,ffffffff '0001:0101 0002:0102 0003:0103 0008:0104' \
    1 ffffffff,ffff0000,00000000 '0009:0105 000a:0106 000b:0107 000c:0108'
}

write_topology() { # NAME PROCESSOR LINK_SPEED (CPU CORES GROUPS)...
  local name=$1 processor=$2 link="link_speed=\"$3\" link_width=\"16\""
  shift 3
  {
    local switch=0 group
    printf '<system version="1">\n'
    while [[ $# -gt 0 ]]; do
      printf '<cpu numaid="%s" affinity="%s" arch="x86_64" %s>\n' "$1" "$2" "$processor"
      for group in $3; do
        switch=$((switch + 1))
        printf '<pci busid="ffff:ff:%02x.0" class="0x060400" %s>\n' "$switch" "$link"
        topology_devices 0x030200 "$link" "${group%:*}"
        topology_devices 0x020700 "$link" "${group#*:}"
        printf '</pci>\n'
      done
      printf '</cpu>\n'
      shift 3
    done
    printf '</system>\n'
  } | write_if_changed "$TOPOLOGY_DIR/$name-topo.xml"
}

topology_devices() { # CLASS LINK DOMAIN,...
  local domain
  for domain in ${3//,/ }; do printf '<pci busid="%s:00:00.0" class="%s" %s/>\n' "$domain" "$1" "$2"; done
}

# An image serves many sizes: which one this is shows at boot. The file /etc/nccl.conf of an owner stays.
write_boot_script() {
  write_if_changed "$ROOT/usr/local/sbin/batch-prep-rdma" <<'SCRIPT'
#!/bin/bash
# Written by batch-prep: NCCL's settings for this size of VM, and InfiniBand's way to the memory of GPUs.
root=${BATCH_PREP_ROOT:-} mark='# batch-prep'
url='http://169.254.169.254/metadata/instance/compute/vmSize?api-version=2021-02-01&format=text'
size=$(curl -fsS --noproxy '*' --retry 5 --max-time 3 -H 'Metadata: true' "$url")
conf=$root/etc/nccl.conf
case ${size,,} in
  standard_nd96*sr_v4 | standard_nd96*sr_a100_v4) name=ndv4 ;;
  standard_nd96is*_h[12]00_v5) name=ndv5 ;;
  *) name='' ;;
esac
if [[ ! -e $conf || $(head -n 1 "$conf") == "$mark" ]]; then
  rm -f "$conf"
  [[ -z $name ]] || printf '%s\n' "$mark" NCCL_IB_PCI_RELAXED_ORDERING=1 NCCL_IGNORE_CPU_AFFINITY=1 \
    "NCCL_TOPO_FILE=/opt/microsoft/$name-topo.xml" >"$conf"
fi
devices=("$root"/sys/class/infiniband/*)
if [[ -e ${devices[0]} && -e $root/proc/driver/nvidia/version ]]; then
  modprobe nvidia_peermem || echo 'nvidia_peermem does not load: data of GPUs goes through the memory of the host'
fi
SCRIPT
  write_if_changed "$ROOT/etc/systemd/system/batch-prep-rdma.service" <<'UNIT'
[Unit]
Description=NCCL's settings for this size, and InfiniBand's way to the memory of GPUs
Wants=network-online.target
After=network-online.target openibd.service nvidia-persistenced.service nvidia-fabricmanager.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash /usr/local/sbin/batch-prep-rdma

[Install]
WantedBy=multi-user.target
UNIT
}
