"""The command line as a script: ``ray submit cluster.yaml scripts/search.py -- --config FILE``.

Without a verb it is ``generate``.
"""

import os
import sys

from raygen.cli import main

if __name__ == "__main__":
    os.environ.setdefault("RAY_ADDRESS", "auto")  # the cluster it was submitted to
    if len(sys.argv) > 1 and sys.argv[1].startswith("-") and sys.argv[1] != "--help":
        sys.argv.insert(1, "generate")
    main()
