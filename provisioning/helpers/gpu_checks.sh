# shellcheck shell=bash
# needs: helpers/host.sh helpers/checks.sh
# Is the GPU usable, and if not, why: the first answer that fits. Nothing here needs lspci.

readonly NVIDIA_VENDOR=0x10de
readonly SMI_SECONDS_MAX=60
GPU_DEVICES=0 GPU_SWITCHES=0 GPU_NOUVEAU=false GPU_COUNT=0 DRIVER_FOUND=''

check_gpu() {
  local expected=${EXPECT_GPU:-none} sure=true
  scan_pci
  if [[ $expected == auto ]]; then
    expected=$(gpus_of_size "$VM_SIZE")
    if [[ -z $expected ]]; then # a size that is not in the table: its GPUs must work, their number is not checked
      sure=false
      expected=$((GPU_DEVICES > 0))
    fi
  fi
  case $expected in
    none | 0) judge_unexpected_gpu ;;
    driver-only) judge_driver_only ;;
    *) judge_gpu "$expected" ;;
  esac
  [[ $sure == true || $VERDICT == fail ]] || verdict warn GPU_SIZE_UNKNOWN "how many GPUs size '$VM_SIZE' has is not known"
}

scan_pci() {
  local device class
  for device in "$ROOT"/sys/bus/pci/devices/*; do
    [[ $(<"$device/vendor") == "$NVIDIA_VENDOR" ]] || continue
    class=$(<"$device/class")
    case $class in
      0x03*)
        GPU_DEVICES=$((GPU_DEVICES + 1))
        [[ $(readlink "$device/driver" || true) != */nouveau ]] || GPU_NOUVEAU=true
        ;;
      0x0680*) GPU_SWITCHES=$((GPU_SWITCHES + 1)) ;; # a bridge: NVSwitch
      *) ;;
    esac
  done
}

gpus_of_size() { # SIZE -> how many GPUs a VM of it shows; a fraction shows one; empty if the size is not known
  case ${1,,} in
    standard_nc64as_t4_v3 | standard_nc96ads_a100_v4 | standard_nc24*s_v3 | standard_nd128*) echo 4 ;;
    standard_nc48ads_a100_v4 | standard_nc80adis_h100_v5 | standard_nc12s_v3 | standard_nv72ads_a10_v5 | standard_nc[23][0-9][0-9]*bse_v6) echo 2 ;;
    standard_nc*as_t4_v3 | standard_nc24ads_a100_v4 | standard_nc40ads_h100_v5 | standard_ncc40ads_h100_v5) echo 1 ;;
    standard_nc*_rtxpro6000bse_v6 | standard_nc6s_v3 | standard_nv*ads_a10_v5 | standard_nv12s_v3) echo 1 ;;
    standard_nd96*) echo 8 ;;
    '' | standard_n*) ;;
    *) echo 0 ;;
  esac
}

judge_unexpected_gpu() {
  if ((GPU_DEVICES == 0)); then
    verdict skip '' 'no GPU expected, none here'
  else
    verdict warn GPU_UNEXPECTED "no GPU expected, $GPU_DEVICES here"
  fi
}

judge_driver_only() { # a builder without a GPU: the module must be there for every kernel that can boot
  local kernel
  if ((GPU_DEVICES > 0)); then
    judge_gpu 1
    return
  elif [[ ${SIZE_HAS_GPU:-false} == true ]]; then
    verdict fail GPU_ABSENT 'the size has a GPU, no PCI device is here'
    return
  fi
  while read -r kernel; do
    if ! DRIVER_FOUND=$(modinfo -k "$kernel" -F version nvidia 2>/dev/null); then
      verdict fail GPU_MODULE_MISSING "kernel $kernel has no nvidia module"
      return
    fi
  done < <(bootable_kernels)
  if [[ -z $DRIVER_FOUND ]]; then
    verdict fail GPU_MODULE_MISSING 'no kernel that could boot is here'
  elif ! command -v nvidia-smi >/dev/null; then
    verdict fail GPU_NVML 'nvidia-smi is missing'
  else
    verdict pass '' "driver $DRIVER_FOUND; no GPU here to try it on"
  fi
}

judge_gpu() { # EXPECTED
  if ((GPU_DEVICES == 0)); then
    verdict fail GPU_ABSENT "$1 expected, no PCI device is here: the host attached none"
  elif ! modinfo nvidia >/dev/null 2>&1; then
    verdict fail GPU_MODULE_MISSING "kernel $(uname -r) has no nvidia module"
  elif module_loads && versions_agree; then
    judge_answers "$1"
  fi
}

module_loads() {
  local answer
  [[ ! -d $ROOT/sys/module/nvidia ]] || return 0
  ! answer=$(modprobe nvidia 2>&1) || return 0
  if [[ $answer == *'Key was rejected'* ]]; then
    verdict fail GPU_SECURE_BOOT 'Secure Boot rejects the module'
  elif [[ $GPU_NOUVEAU == true ]]; then
    verdict fail GPU_NOUVEAU 'nouveau holds the GPU'
  elif [[ $answer == *'No such device'* ]]; then
    verdict fail GPU_UNSUPPORTED 'this kind of driver does not know this GPU'
  else
    verdict fail GPU_MODULE_LOAD "$answer"
  fi
  return 1
}

versions_agree() { # of the loaded module and of the libraries
  local module library
  module=$(grep -oE -m 1 '[0-9]{3}\.[0-9]+(\.[0-9]+)?' "$ROOT/proc/driver/nvidia/version" | head -n 1)
  for library in "$ROOT"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.[0-9]*.* "$ROOT"/usr/lib64/libnvidia-ml.so.[0-9]*.*; do
    [[ $library != *.so."$module" ]] || return 0
    verdict fail GPU_VERSION_MISMATCH "the module is $module, the library ${library##*.so.}"
  done
  [[ $VERDICT_CODE != GPU_VERSION_MISMATCH ]]
}

judge_answers() { # EXPECTED
  local answer rc=0 fields=index,name,uuid,driver_version,memory.total,ecc.mode.current,mig.mode.current
  answer=$(timeout "$SMI_SECONDS_MAX" nvidia-smi --query-gpu="$fields" --format=csv,noheader,nounits 2>&1) || rc=$?
  if [[ $answer == *'version mismatch'* ]]; then
    verdict fail GPU_VERSION_MISMATCH "$answer"
    return
  elif [[ $rc -ne 0 ]]; then
    verdict fail GPU_NVML "nvidia-smi ended with $rc: $answer"
    return
  fi
  GPU_COUNT=$(grep -c . <<<"$answer")
  DRIVER_FOUND=$(awk -F ', *' 'NR == 1 {print $4}' <<<"$answer")
  VERDICT_DATA=$(printf '{"count":%d,"name":%s,"driverVersion":%s}' "$GPU_COUNT" \
    "$(json_string "$(awk -F ', *' 'NR == 1 {print $2}' <<<"$answer")")" "$(json_string "$DRIVER_FOUND")")
  if ((GPU_COUNT < $1)); then
    verdict fail GPU_COUNT "$1 expected, nvidia-smi lists $GPU_COUNT"
  elif ((GPU_SWITCHES > 0)) && ! fabric_is_up; then
    verdict fail GPU_FABRIC 'NVSwitches are here, and the fabric is not complete'
  elif smi_query persistence_mode | grep -qix disabled; then # a daemon that runs may have it off
    verdict warn GPU_PERSISTENCE 'persistence mode is off: each start of a task waits for the GPU'
  else
    verdict pass '' ''
  fi
}

smi_query() { timeout "$SMI_SECONDS_MAX" nvidia-smi --query-gpu="$1" --format=csv,noheader; } # FIELD

fabric_is_up() {
  systemctl is-active nvidia-fabricmanager.service --quiet && ! smi_query fabric.state | grep -qiE 'in progress|not started'
}
