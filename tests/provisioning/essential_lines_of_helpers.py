"""The essential lines of `provisioning/helpers`: see essential_lines.py."""

from __future__ import annotations

from essential_line import Line

LINES = [
    Line(
        "helpers/canonical_driver.sh",
        """  is_at_least "$found" "$1" ||
""",
        "  true ||\n",
        "test_step_canonical_driver.py::test_an_older_version_than_the_wanted_one_is_refused",
    ),
    Line(
        "helpers/dcgm_checks.sh",
        "|| $rc -ne 0 ]]",
        "]]",
        "test_step_dcgm.py::test_an_error_code_without_a_failed_test_is_a_failure",
    ),
    Line(
        "helpers/scratch.sh",
        """'Microsoft NVMe Direct Disk' | 'Microsoft NVMe Direct Disk v2')""",
        "*)",
        "test_step_scratch.py::test_the_local_disks_become_one_file_system",
    ),
    Line(
        "helpers/scratch.sh",
        "[[ ${#parts[@]} -gt 0 ]] ||",
        "",
        "test_step_scratch.py::test_a_disk_with_partitions_or_holders_stays_as_it_is[partition]",
    ),
    Line(
        "helpers/own_script.sh",
        ': >"$WORK/ended"',
        ":",
        "test_step_own.py::test_what_a_script_leaves_running_does_not_hold_the_step",
        hangs=True,
    ),
    Line(
        "helpers/own_script.sh",
        'text = text.replace(value, b"***")',
        "pass",
        "test_step_own.py::test_a_secret_reaches_the_script_and_nothing_else",
    ),
    Line(
        "helpers/module_builds.sh",
        "[[ ! $log -ot $WORK/module_builds ]] || continue",
        ":",
        "test_step_module_builds.py::test_a_mirror_that_fails_is_still_a_mirror_that_fails",
    ),
    Line(
        "helpers/module_builds.sh",
        '[[ $rc -eq $EXIT_PACKAGE_MANAGER && -n $(module_error) ]] || exit "$rc"',
        'exit "$rc"',
        "test_step_module_builds.py::test_a_module_that_does_not_compile_is_no_fault_of_the_mirror",
    ),
    Line(
        "helpers/result.sh",
        "ok=false",
        "ok=true",
        "test_step_frame.py::test_a_failure_keeps_its_code_and_its_reason[named]",
    ),
    Line(
        "helpers/outcome.sh",
        "case $STEP in verify | seal) return 1 ;; esac",
        ":",
        "test_step_frame.py::test_steps_that_look_at_the_machine_look_each_time[seal]",
    ),
    Line(
        "helpers/module_builds.sh",
        '! offers_kernel "$last" ||',
        "",
        "test_step_module_builds.py::test_a_last_kernel_that_cannot_help_is_left_out"
        "[6.8.0-1049-azure]",
    ),
    Line(
        "helpers/retry.sh",
        '! grep -qiE "$FINAL_FAULT" "$2" && grep -qiE "$PASSING_FAULT" "$2"',
        "true",
        "test_step_retry.py::test_a_plain_mistake_fails_at_once",
    ),
    Line(
        "helpers/packages.sh",
        "-o APT::Update::Error-Mode=any",
        "",
        "test_step_prepare.py::test_apt_waits_repairs_and_believes_no_empty_update",
    ),
    Line(
        "helpers/repositories.sh",
        '[[ $found == "$2" ]] ||',
        "true ||",
        "test_step_docker.py::test_a_key_that_is_not_the_pinned_one_is_refused",
    ),
    Line(
        "helpers/repositories.sh",
        "sha256sum --check --status ||",
        "cat >/dev/null ||",
        "test_step_driver.py::test_a_grid_driver_with_another_checksum_is_not_run",
    ),
    Line(
        "helpers/images.sh",
        "[[ $line =~ $IMAGE_REFERENCE ]] ||",
        "true ||",
        "test_step_injection.py::test_no_parameter_is_a_spell[verify-EXPECT_IMAGES]",
    ),
    Line(
        "helpers/host.sh",
        "ubuntu:22.04 | ubuntu:24.04 | debian:12)",
        "ubuntu:* | debian:12)",
        "test_step_prepare.py::test_other_systems_are_refused[ubuntu-20.04]",
    ),
    Line(
        "helpers/registry_login.sh",
        "RETRY_ALSO=$NOT_YET\n",
        "RETRY_ALSO=''\n",
        "test_step_preload.py::test_a_fresh_identity_is_waited_for[exchange]",
    ),
    Line(
        "helpers/registry_login.sh",
        'rm -f -- "$WORK"/identity.json "$WORK"/exchange.form "$WORK"/exchange.json',
        'cp "$WORK"/*.json "$LOG_DIR"',
        "test_step_preload.py::test_no_token_is_anywhere_afterwards",
    ),
    Line(
        "helpers/docker_daemon.sh",
        "new = dict(json.loads(sys.argv[2]), **old)",
        "new = dict(old, **json.loads(sys.argv[2]))",
        "test_step_docker.py::test_settings_that_are_there_stay",
    ),
    Line(
        "helpers/driver_sources.sh",
        'install_packages "nvidia-driver-pinning-$1"',
        ":",
        "test_step_driver.py::test_the_driver_comes_pinned_from_nvidia",
    ),
    Line(
        "helpers/images.sh",
        "aarch64) printf arm64 ;;",
        "aarch64) printf amd64 ;;",
        "test_step_checks.py::test_images_are_for_the_nodes_processor[aarch64-arm64-pass]",
    ),
    Line(
        "helpers/container_checks.sh",
        "docker run --rm --pull never --network none",
        "docker run --rm",
        "test_step_checks.py::test_a_container_proves_what_was_preloaded",
    ),
    Line(
        "helpers/checks.sh",
        "[[ $VERDICT != fail ]] ||",
        "true ||",
        "test_step_checks.py::test_every_fault_is_told_at_once",
    ),
    Line(
        "helpers/version_checks.sh",
        "[[ ${#wrong[@]} -eq 0 ]]",
        "true",
        "test_step_checks.py::test_a_version_that_changed_meanwhile_fails"
        "[EXPECT_DRIVER-the driver is 580.173.02, not 9.9.9;]",
    ),
    Line(
        "helpers/bill_of_materials.sh",
        'name.split("/")[-1].lower()',
        'name.split("/")[0].lower()',
        "test_step_bill_of_materials.py::test_container_images_are_named_by_digest",
    ),
    Line(
        "helpers/sealing.sh",
        ': >"$ROOT/etc/machine-id"',
        ":",
        "test_step_seal.py::test_nothing_of_the_builder_is_left",
    ),
    Line(
        "helpers/driver_sources.sh",
        "linux-headers-$(kernel_that_boots)",
        "linux-headers-$(uname -r)",
        "test_step_install.py::test_the_driver_is_built_for_the_kernel_that_will_boot",
    ),
    Line(
        "helpers/docker_daemon.sh",
        'rm -f -- "$DOCKER_READY"',
        ":",
        "test_step_install.py::test_a_docker_that_is_restarted_is_not_ready",
    ),
    Line(
        "helpers/infiniband_checks.sh",
        '[[ $(<"$port/link_layer") == InfiniBand ]] || continue',
        ":",
        "test_step_infiniband.py::test_a_node_shows_its_ports[states1-infinity-IB_ABSENT]",
    ),
]
