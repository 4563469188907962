"""`python -m bench [NAME ...]` measures; `--explain NAME` shows where requests and minutes go."""

from __future__ import annotations

import argparse

from bench import child, lists, scenarios


def main() -> None:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios; all without any")
    parser.add_argument("--explain", metavar="NAME", help="one scenario's requests and lateness")
    parser.add_argument("--child", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asked = {*arguments.names, arguments.explain, arguments.child}
    unknown = asked - {None, *scenarios.ALL} - ({lists.NAME} & {*arguments.names})
    if unknown:
        known = ", ".join([*scenarios.ALL, lists.NAME])
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {known}")
    if arguments.child:
        child.main(arguments.child)
    elif arguments.explain:
        from bench import explain

        explain.main(arguments.explain)
    else:
        from bench import running

        running.main(arguments.names or [*scenarios.SCENARIOS, lists.NAME])


if __name__ == "__main__":
    main()
