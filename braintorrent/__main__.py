"""The command line: what `python -m braintorrent` and the command `braintorrent` start."""

import sys

from braintorrent import check_imports


def main() -> None:
    """Run the command line; a file that hides one of our packages is a user's mistake."""
    try:
        check_imports()
    except ImportError as mistake:
        sys.stderr.write(f"{mistake}\n")
        sys.exit(2)
    from sim.cli import main as start

    start()


if __name__ == "__main__":
    main()
