# shellcheck shell=bash
# What a step's exit code means. The caller decides by the code alone and never reads text;
# it keeps the same list.
readonly EXIT_OK=0
readonly EXIT_UNSUPPORTED_OS=10  # this system, or this version of it, is not supported
readonly EXIT_BAD_PARAMETER=11   # a parameter is missing or malformed
readonly EXIT_NO_SPACE=20        # the disk is full or too small
readonly EXIT_IMAGE_PULL=21      # a container image cannot be pulled
readonly EXIT_REGISTRY_LOGIN=22  # the registry refuses the managed identity
readonly EXIT_PACKAGE_MANAGER=23 # apt or dnf failed
readonly EXIT_DOWNLOAD=24        # a download failed, or is not the file that is pinned
readonly EXIT_RATE_LIMITED=26    # a registry allows no more pulls for now
readonly EXIT_CHECK_FAILED=30    # the finished system is not what it should be
readonly EXIT_DRIVER_BUILD=40    # the GPU driver has no module for a kernel that will boot
readonly EXIT_TOOLKIT=41         # Docker does not know the NVIDIA runtime
readonly EXIT_INFINIBAND=42      # the InfiniBand stack has no module for a kernel that will boot, or is incomplete
readonly EXIT_SEAL=50            # sealing could not be started
readonly EXIT_OWN_STEP=60        # the owner's step ended with an exit code that it may not have
readonly EXIT_OWN_STEP_TIME=61   # the owner's step did not end in its time
readonly EXIT_SECRET=62          # a secret cannot be read from Key Vault
readonly EXIT_INTERNAL=70        # a command failed where none was expected to: a bug
readonly EXIT_RETRY_LATER=75     # a passing fault outlasted the retries; the same step may work later
readonly EXIT_DEADLINE=124       # the step's own deadline
