"""Run the command line as `python -m petra`."""

from petra.cli.main import app

if __name__ == "__main__":
    app(prog_name="petra")
