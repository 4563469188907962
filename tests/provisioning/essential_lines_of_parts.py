"""The essential lines of `provisioning/parts`: see essential_lines.py."""

from __future__ import annotations

from essential_line import Line

LINES = [
    Line(
        "parts/install_dcgm.sh",
        '"${@/%/=1:$version-1}"',
        '"$@"',
        "test_step_dcgm.py::test_its_packages_are_pinned_and_fit_the_driver"
        "[ubuntu-24.04-parameters0-majors0]",
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
        "parts/prepare.sh",
        '[[ -n $(chosen_kernel) ]] || install_packages "$(kernel_package)"',
        'install_packages "$(kernel_package)"',
        "test_step_module_builds.py::test_the_older_kernel_stays_when_the_step_is_sent_again",
    ),
    Line(
        "parts/preload_images.sh",
        "[[ -z $line || $line =~ $REGISTRY_LINE ]] ||",
        "true ||",
        "test_step_registries.py::test_a_registry_that_cannot_be_meant_is_refused[nvcr.io]",
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
        "parts/announce_docker.sh",
        ': >"$DOCKER_READY"',
        ":",
        "test_step_install.py::test_docker_is_announced_where_the_toolkit_is_left_out",
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
]
