"""Where `dt` and `python -m dreamos_tasks` begin.

Looking for garbage among modules that are just being imported takes a twentieth of a short command's time. So it is told to
wait before anything is imported; a long command still gets rid of its own.
"""

import gc

gc.set_threshold(100_000)


def main() -> None:
    """Run the command that the program was called with, and exit with its code."""
    from dreamos_tasks.interfaces.cli.main import main as run_command

    run_command()


if __name__ == "__main__":
    main()
