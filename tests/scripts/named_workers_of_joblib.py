"""Workers of joblib have names in a captured program."""

import joblib
from joblib.externals.loky import get_reusable_executor

from ipyfdcapture import capture_fd, named_workers

if __name__ == "__main__":
    with capture_fd() as logs, joblib.parallel_config(backend="loky", **named_workers(2)):
        joblib.Parallel(n_jobs=2)(joblib.delayed(print)(number) for number in range(4))
    get_reusable_executor().shutdown(wait=True)
    assert sorted(logs) == ["0", "1", "2", "3"], logs.text
    assert {line.source for line in logs} <= {"worker-1/stdout", "worker-2/stdout"}
    print("end")
