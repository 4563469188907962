"""`python -m local.machines DIR`: make what machines are made from; quick when done already."""

from __future__ import annotations

import pathlib
import sys

from local.machines import driver_root, features, kit, shell, stand_ins, volume_root


def main() -> int:
    directory = pathlib.Path(sys.argv[1])
    missing = features.missing()
    if missing:
        print("NOT RUN: machines cannot run here:")
        print("\n".join(f"  - {reason}" for reason in missing))
        return 1
    try:
        kit.make(directory)
        driver_root.make(directory)
        if volume_root.missing() is None:
            volume_root.make(directory)
    except shell.MachineError as error:
        print(f"What machines are made from could not be made: {error}")
        return 1
    print("Not the real thing:")
    print("\n".join(f"  - {line}" for line in stand_ins.WORDS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
