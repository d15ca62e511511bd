"""The command line as a script: ``ray submit cluster.yaml scripts/search.py -- generate ...``."""

import os

from raygen.cli import main

if __name__ == "__main__":
    os.environ.setdefault("RAY_ADDRESS", "auto")  # the cluster it was submitted to
    main()
