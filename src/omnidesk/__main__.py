"""The program `omnidesk`, also as `python -m omnidesk`."""

from omnidesk.cli import main

if __name__ == "__main__":
    main()
