"""`python -m raygen` is the command `raygen`."""

from __future__ import annotations

from raygen.cli import main

if __name__ == "__main__":
    main()
