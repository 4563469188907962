"""`python -m local.machines DIR [PART...]`: make what machines are made from; quick when done.

Without a PART all of it: `kit`, `driver`, `el`, `volumes`.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable

from local.machines import driver_root, el_root, features, kit, shell, stand_ins, volume_root

_PARTS: dict[str, Callable[[pathlib.Path], object]] = {
    "kit": kit.make,
    "driver": driver_root.make,
    "el": el_root.make,
    "volumes": volume_root.make,
}


def main() -> int:
    directory, names = pathlib.Path(sys.argv[1]), sys.argv[2:] or list(_PARTS)
    if unknown := set(names) - _PARTS.keys():
        print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(_PARTS)}")
        return 2
    missing = features.missing()
    if missing:
        print("NOT RUN: machines cannot run here:")
        print("\n".join(f"  - {reason}" for reason in missing))
        return 1
    try:
        for name in names:
            if name != "volumes" or volume_root.missing() is None:
                _PARTS[name](directory)
    except shell.MachineError as error:
        print(f"What machines are made from could not be made: {error}")
        return 1
    print("Not the real thing:")
    print("\n".join(f"  - {line}" for line in stand_ins.WORDS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
