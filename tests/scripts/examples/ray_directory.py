"""Ray's sockets lie in a directory with a short name: a test's own has a name that is too long."""

import atexit
import os
import shutil
import tempfile

_directory = tempfile.mkdtemp(dir="/tmp")
atexit.register(shutil.rmtree, _directory, ignore_errors=True)
os.environ["RAY_TMPDIR"] = _directory
os.environ["RAY_AUTH_MODE"] = "disabled"  # or it says so
# On a machine that is busy with other tests, half a minute is not enough.
os.environ["RAY_raylet_start_wait_time_s"] = "120"  # noqa: SIM112
