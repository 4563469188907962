"""The lines on which the scripts' promises hang, what breaks each, and the test that notices. Those
of a folder are in a file of their own.
"""

from __future__ import annotations

import essential_lines_of_helpers
import essential_lines_of_parts
from essential_line import Line

BREAK_THEM = "BATCH_PREP_BREAK_LINES"

_OF_NO_FOLDER = [
    Line(
        "lib.sh",
        "[[ ! -e $WORK/deadline ]] || rc=$EXIT_DEADLINE",
        ":",
        "test_step_frame.py::test_the_deadline_is_our_own",
    ),
    Line(
        "lib.sh",
        "leave_note_of_failure; fi",
        ":; fi",
        "test_step_install.py::test_an_install_that_fails_leaves_word",
    ),
    Line(
        "steps.json",
        '"install_docker", "announce_docker", "leave_rolling_kernel"',
        '"leave_rolling_kernel", "install_docker", "announce_docker"',
        "test_step_install.py::test_the_rolling_kernel_goes_after_docker",
    ),
    Line(
        "steps.json",
        '"install_infiniband", "install_driver"',
        '"install_driver", "install_infiniband"',
        "test_step_infiniband.py::test_the_stack_comes_before_the_driver",
    ),
]
LINES = [*essential_lines_of_parts.LINES, *essential_lines_of_helpers.LINES, *_OF_NO_FOLDER]
BY_TEST = {found.test_name: found for found in LINES}
