"""The lines on which the scripts' promises hang, what breaks each, and the test that notices."""

from __future__ import annotations

from dataclasses import dataclass

BREAK_THEM = "BATCH_PREP_BREAK_LINES"


@dataclass(frozen=True, slots=True)
class Line:
    """`text` stands once in `file`; with `instead` in its place, `test` must fail. `hangs`: it does
    so by waiting for ever.
    """

    file: str
    text: str
    instead: str
    test: str
    hangs: bool = False

    @property
    def test_file(self) -> str:
        return self.test.partition("::")[0]

    @property
    def test_name(self) -> str:
        return self.test.partition("::")[2]


LINES = [
    Line(
        "helpers/canonical_driver.sh",
        """  is_at_least "$found" "$1" ||
""",
        "  true ||\n",
        "test_step_canonical_driver.py::test_an_older_version_than_the_wanted_one_is_refused",
    ),
    Line(
        "parts/install_dcgm.sh",
        '"${@/%/=1:$version-1}"',
        '"$@"',
        "test_step_dcgm.py::test_its_packages_are_pinned_and_fit_the_driver"
        "[ubuntu-24.04-parameters0-majors0]",
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
        "parts/install_scratch.sh",
        "Before=containerd.service docker.service waagent.service walinuxagent.service",
        "Before=docker.service",
        "test_step_scratch.py::test_the_unit_comes_before_docker_and_the_agent[ubuntu-24.04]",
    ),
    Line(
        "parts/own_step.sh",
        '[[ $found == "$OWN_SHA256"* ]] ||',
        "true ||",
        "test_step_own.py::test_a_file_that_is_another_one_is_not_executed",
    ),
    Line(
        "parts/own_step.sh",
        "&& (($2 >= OWN_SECONDS))",
        "",
        "test_step_own.py::test_the_exit_code_of_a_timeout_is_no_timeout",
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
        "parts/prepare.sh",
        '[[ -n $(chosen_kernel) ]] || install_packages "$(kernel_package)"',
        'install_packages "$(kernel_package)"',
        "test_step_module_builds.py::test_the_older_kernel_stays_when_the_step_is_sent_again",
    ),
    Line(
        "lib.sh",
        "[[ ! -e $WORK/deadline ]] || rc=$EXIT_DEADLINE",
        ":",
        "test_step_frame.py::test_the_deadline_is_our_own",
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
        "parts/preload_images.sh",
        "[[ -z $line || $line =~ $REGISTRY_LINE ]] ||",
        "true ||",
        "test_step_registries.py::test_a_registry_that_cannot_be_meant_is_refused[nvcr.io]",
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
        "parts/install_docker.sh",
        "[[ ! $1 =~ ^29\\.[0-2]\\. ]] ||",
        "true ||",
        "test_step_docker.py::test_versions_that_break_the_node_agent_are_refused[29.0.1]",
    ),
    Line(
        "parts/install_driver.sh",
        "builds_ahead || kernel_is_final ||",
        "true ||",
        "test_step_driver.py::test_a_kernel_that_waits_for_a_restart_is_no_ground_to_build_on"
        "[ubuntu-24.04-grid]",
    ),
    Line(
        "parts/install_driver.sh",
        'build_modules "$1"',
        ":",
        "test_step_install.py::test_dkms_is_told_of_a_kernel_that_it_forgot",
    ),
    Line(
        "helpers/driver_sources.sh",
        "linux-headers-$(kernel_that_boots)",
        "linux-headers-$(uname -r)",
        "test_step_install.py::test_the_driver_is_built_for_the_kernel_that_will_boot",
    ),
    Line(
        "parts/install_container_toolkit.sh",
        "[[ \" $(docker_runtimes)\" == *' nvidia '* ]] ||",
        "true ||",
        "test_step_docker.py::test_a_runtime_that_docker_does_not_list_fails",
    ),
    Line(
        "parts/preload_images.sh",
        "((free >= FREE_MIB_MIN)) ||",
        "true ||",
        "test_step_preload.py::test_too_little_room_is_seen_before_the_first_pull",
    ),
    Line(
        "parts/preload_images.sh",
        "[[ ! -e $RUN_DIR/install.failed ]] ||",
        "touch $DOCKER_READY ||",
        "test_step_preload.py::test_nothing_is_waited_for_that_will_not_come",
    ),
    Line(
        "lib.sh",
        "leave_note_of_failure; fi",
        ":; fi",
        "test_step_install.py::test_an_install_that_fails_leaves_word",
    ),
    Line(
        "parts/announce_docker.sh",
        ': >"$DOCKER_READY"',
        ":",
        "test_step_install.py::test_docker_is_announced_where_the_toolkit_is_left_out",
    ),
    Line(
        "helpers/docker_daemon.sh",
        'rm -f -- "$DOCKER_READY"',
        ":",
        "test_step_install.py::test_a_docker_that_is_restarted_is_not_ready",
    ),
    Line(
        "steps.json",
        '"install_docker", "announce_docker", "leave_rolling_kernel"',
        '"leave_rolling_kernel", "install_docker", "announce_docker"',
        "test_step_install.py::test_the_rolling_kernel_goes_after_docker",
    ),
    Line(
        "parts/prepare.sh",
        'systemctl mask "${timers[@]}" "${services[@]}"',
        ":",
        "test_step_prepare.py::test_upgrades_are_stopped_waited_for_and_then_masked",
    ),
    Line(
        "parts/leave_rolling_kernel.sh",
        "kernel_is_final || require_reboot",
        ":",
        "test_step_prepare.py::test_ubuntu_moves_to_the_long_term_kernel",
    ),
    Line(
        "parts/check_image.sh",
        "add_data pending '[\"gpu\"]'",
        ":",
        "test_step_checks.py::test_what_a_builder_cannot_prove_is_said_to_be_open",
    ),
    Line(
        "parts/check_image.sh",
        "fail_if_a_check_failed\n",
        ":\n",
        "test_step_seal.py::test_a_failed_check_schedules_no_sealing[IMAGE_MISSING]",
    ),
    Line(
        "parts/check_image.sh",
        "if is_sealing; then",
        "if false; then",
        "test_step_seal.py::test_sealing_twice_schedules_once",
    ),
    Line(
        "parts/verify_node.sh",
        "fail_if_a_check_failed\n",
        ":\n",
        "test_step_checks.py::test_a_bad_node_does_not_run_the_owners_start_task",
    ),
    Line(
        "parts/verify_node.sh",
        'as=(runuser -u "$USER_START_TASK_AS" --)',
        "as=()",
        "test_step_checks.py::test_the_owners_command_runs_as_the_owners_user",
    ),
    Line(
        "parts/verify_node.sh",
        'fail "$EXIT_CHECK_FAILED" "the node has no user $USER_START_TASK_AS"',
        ":",
        "test_step_checks.py::test_a_user_that_is_not_there_fails_the_node",
    ),
    Line(
        "parts/seal.sh",
        'systemd-run --unit="$SEAL_UNIT"',
        'echo --unit="$SEAL_UNIT"',
        "test_step_seal.py::test_the_step_only_schedules",
    ),
    Line(
        "parts/install_infiniband.sh",
        'fetch_pinned "$DOCA_URL',
        'fetch "$DOCA_URL',
        "test_step_infiniband.py::test_another_file_is_not_installed",
    ),
    Line(
        "parts/install_infiniband.sh",
        "[[ -z $kernels ]] || fail_infiniband",
        "true || fail_infiniband",
        "test_step_infiniband.py::test_a_module_that_does_not_compile_ends_the_step",
    ),
    Line(
        "parts/install_infiniband.sh",
        "printf 'OS.EnableRDMA=y\\n'",
        ":",
        "test_step_infiniband.py::test_the_agent_configures_rdma",
    ),
    Line(
        "parts/install_infiniband.sh",
        "printf '[Manager]\\nDefaultLimitMEMLOCK=infinity\\n' |",
        "printf '' |",
        "test_step_infiniband.py::test_nothing_limits_locked_memory",
    ),
    Line(
        "helpers/infiniband_checks.sh",
        '[[ $(<"$port/link_layer") == InfiniBand ]] || continue',
        ":",
        "test_step_infiniband.py::test_a_node_shows_its_ports[states1-infinity-IB_ABSENT]",
    ),
    Line(
        "steps.json",
        '"install_infiniband", "install_driver"',
        '"install_driver", "install_infiniband"',
        "test_step_infiniband.py::test_the_stack_comes_before_the_driver",
    ),
]
BY_TEST = {found.test_name: found for found in LINES}
