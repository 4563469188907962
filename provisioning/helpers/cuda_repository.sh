# shellcheck shell=bash
# needs: catalogue.sh helpers/host.sh helpers/repositories.sh
# NVIDIA's own packages: drivers and DCGM.

add_cuda_repository() {
  if [[ $OS_FAMILY == el ]]; then
    add_dnf_repository cuda "$CUDA_URL/rhel$OS_VERSION/x86_64/$CUDA_RPM_KEY" "$CUDA_RPM_FINGERPRINT" \
      "$CUDA_URL/rhel$OS_VERSION/x86_64" PACKAGES 1
  else
    add_apt_repository cuda "$CUDA_URL/ubuntu${OS_VERSION/./}/x86_64/$CUDA_APT_KEY" "$CUDA_APT_FINGERPRINT" \
      "$CUDA_URL/ubuntu${OS_VERSION/./}/x86_64/ /"
  fi
}
