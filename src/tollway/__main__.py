"""`python -m tollway`, and the command `tollway`."""

from tollway.cli.root import root


def main() -> None:
    """Run the command line."""
    root(prog_name="tollway")


if __name__ == "__main__":
    main()
