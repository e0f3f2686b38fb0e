"""The benchmarks are programs, not packages: their folder is looked in last, so that they hide nothing."""

import sys

from core.settings import PROJECT

sys.path.append(str(PROJECT / "benchmarks"))
