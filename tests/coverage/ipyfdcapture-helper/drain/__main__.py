"""The helper's program, measured; see ``sitecustomize.py`` two directories above."""

from __future__ import annotations

import os
import runpy
import sys

sys.path[:0] = os.environ["IPYFDCAPTURE_COVERAGE_PATH"].split(os.pathsep)

import coverage  # noqa: E402

coverage.process_startup()
sys.argv[0] = os.path.join(os.environ["IPYFDCAPTURE_SOURCE"], "drain", "__main__.py")
runpy.run_path(sys.argv[0], run_name="__main__")
