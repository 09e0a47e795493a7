"""A capture whose descriptors were closed keeps what came before."""

import sys
import warnings

from helpers.scripts import assert_untouched, close_all

from ipyfdcapture import capture_fd

drain = sys.argv[1]
with capture_fd(drain=drain):
    pass
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    with capture_fd(drain=drain) as logs:
        print("before", flush=True)
        assert logs.text == "before\n"
        files = close_all()
assert [str(each.message).split(" (")[0] for each in told] == [
    "this process closed the descriptors of a capture"
]
assert logs.text == "before\n", logs.text
assert logs.complete
with capture_fd(drain=drain) as logs:
    print("again")
assert logs.text == "again\n", logs.text
assert_untouched(files)
