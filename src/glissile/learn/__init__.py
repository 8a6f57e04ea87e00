"""U-Nets that learn defects from a few labelled frames."""

import os

# Before torch is loaded: by default its threads spin while they wait for one another. On two cores with four
# other busy programs a training step then took over a minute, in place of a second.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
