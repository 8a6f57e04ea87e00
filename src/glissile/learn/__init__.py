"""U-Nets that learn defects from a few labelled frames."""

import os

# Before torch is loaded: by default its threads spin while they wait for one another, which starves them
# where other programs are busy. docs/decisions/0008-threads-that-wait.md has what was measured.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
