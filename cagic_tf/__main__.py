"""`python -m cagic_tf` is the command `cagic`, see `run`."""

from cagic_tf import run

if __name__ == "__main__":
    run.command()
