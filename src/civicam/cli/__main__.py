"""`python -m civicam.cli`: the same as `civicam`."""

from civicam.cli import main

if __name__ == "__main__":
    main()
