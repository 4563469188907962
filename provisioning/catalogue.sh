# shellcheck shell=bash
# Everything from outside that an image contains: versions, keys, checksums, and where each comes from.
# Raising a version means changing it here, in one line. floors.json holds the oldest versions that are safe.

# Docker. 29.0 to 29.2 refuse clients whose API is older than 1.44, and the Batch node agent is a client of unknown
# version (https://github.com/actions/runner-images/issues/14105); 29.3 serves them again.
readonly CATALOGUE_DOCKER_VERSION=29.7.2    # https://docs.docker.com/engine/release-notes/29/
readonly CATALOGUE_CONTAINERD_VERSION=2.3.3 # what that release is built with; 2.3 is the long-term branch, until 2028-04
readonly DOCKER_URL=https://download.docker.com/linux
# https://docs.docker.com/engine/install/ubuntu/ and /engine/install/centos/ print these fingerprints.
readonly DOCKER_APT_FINGERPRINT=9DC858229FC7DD38854AE2D88D81803C0EBFCD88
readonly DOCKER_RPM_FINGERPRINT=060A61C51B558A7F742B77AAC52FEB6B621E9F35

# NVIDIA's data-centre driver. Branch 580 is a long-term branch, the last that knows Volta, and has both kinds
# of kernel modules. Azure's own images for Ubuntu 24.04 have had this release since July 2026; those for
# AlmaLinux stayed with older ones (https://github.com/Azure/azhpc-images, versions.json).
readonly CATALOGUE_DRIVER_VERSION=580.173.02
readonly DRIVER_BRANCH_WITHOUT_PROPRIETARY=620 # https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/620/kernel-modules.html
readonly CUDA_URL=https://developer.download.nvidia.com/compute/cuda/repos
readonly CUDA_APT_KEY=3bf863cc.pub # https://developer.nvidia.com/blog/updating-the-cuda-linux-gpg-repository-key/
readonly CUDA_APT_FINGERPRINT=EB693B3035CD5710E231E123A4B469963BF863CC
readonly CUDA_RPM_KEY=D42D0685.pub
readonly CUDA_RPM_FINGERPRINT=610C7B14E068A878070DA4E99CD0A493D42D0685

# DCGM; Azure's own images for Ubuntu 22.04 and 24.04 have had this release (https://github.com/Azure/azhpc-images, versions.json).
readonly CATALOGUE_DCGM_VERSION=4.5.2

# DKMS, which builds the driver's modules, comes from EPEL on el: https://docs.fedoraproject.org/epel/
readonly EPEL_URL=https://dl.fedoraproject.org/pub/epel
readonly EPEL_FINGERPRINTS=([8]=94E279EB8D8F25B21810ADF121EA45AB2F86D6A1 [9]=FF8AD1344597106ECE813B918A3872BF3228467C)

# NVIDIA's container toolkit. Since 1.18 its runtime writes a CDI specification for each container by default. The
# configuration keeps the mode "auto": with "cdi", `docker run --gpus` fails, which is how Batch asks for GPUs
# (https://github.com/NVIDIA/nvidia-container-toolkit/issues/1246).
readonly CATALOGUE_TOOLKIT_VERSION=1.20.0 # https://github.com/NVIDIA/nvidia-container-toolkit/releases
readonly TOOLKIT_URL=https://nvidia.github.io/libnvidia-container
readonly TOOLKIT_FINGERPRINT=C95B321B61E88C1809C4F759DDCAE044F796ECB0

# NVIDIA's InfiniBand stack, DOCA-OFED: the package that brings its repository. The checksums, and the release for each system,
# are those of Azure's own images (https://github.com/Azure/azhpc-images, versions.json). The distribution's stack is not
# enough: nvidia_peermem, through which InfiniBand reads and writes GPU memory, needs the ib_core of this one.
readonly DOCA_URL=https://www.mellanox.com/downloads/DOCA
declare -rA DOCA_FILES=(
  ['22.04']=DOCA_v3.2.1/host/doca-host_3.2.1-044000-25.10-ubuntu2204_amd64.deb
  ['24.04']=DOCA_v3.2.3/host/doca-host_3.2.3-019000-25.10-ubuntu2404_amd64.deb
)
declare -rA DOCA_CHECKSUMS=(
  ['22.04']=75b8d4258b7239ef5021abaa25e7eeb4fcbc0c8117cab89ce1a766d2d218c8a0
  ['24.04']=762a3dbc1c8c1e4b03867b022ccafcfafa95bffe461a58a5b6e38fc678263614
)

doca_version() { # of DOCA_FILES for UBUNTU_VERSION; empty where the catalogue has none
  local file=${DOCA_FILES[$1]:-}
  file=${file#DOCA_v}
  printf '%s' "${file%%/*}"
}

# GRID drivers, as Microsoft redistributes them with their licence:
# https://learn.microsoft.com/azure/virtual-machines/linux/n-series-driver-setup
# 570.211.01 (vGPU 18) is for NVadsA10_v5; Microsoft publishes no checksum of it, so the caller gives one.
# 595.58.03 (vGPU 20) is for NCasT4_v3 and NCv6; checksum from Azure/azhpc-images, versions.json.
readonly CATALOGUE_GRID_VERSION=570.211.01
readonly CATALOGUE_GRID_OPEN_VERSION=595.58.03
readonly GRID_URL=https://download.microsoft.com/download
declare -rA GRID_FOLDERS=(
  ['570.211.01']=2a04ca6a-9eec-40d9-9564-9cdea1ab795f
  ['595.58.03']=51239696-ec04-4c02-a6b3-1d9c608fb57c
)
# The app reads this table, too: it asks for a checksum before it builds anything (shared/model/grid_driver.py).
declare -rA GRID_CHECKSUMS=(
  ['595.58.03']=5dbfcd0998e6d3a2b4cf4f5f60587aef07401f3c7a9433c23697ec944a5c542b
)

grid_source() { # VERSION; fills GRID_FILE_URL and GRID_FILE_SHA256, empty where nothing is known
  GRID_FILE_URL=${GRID_FOLDERS[$1]:-} GRID_FILE_SHA256=${GRID_CHECKSUMS[$1]:-}
  [[ -z $GRID_FILE_URL ]] || GRID_FILE_URL=$GRID_URL/$GRID_FILE_URL/NVIDIA-Linux-x86_64-$1-grid-azure.run
}
