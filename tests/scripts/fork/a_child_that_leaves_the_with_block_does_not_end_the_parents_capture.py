"""A child that leaves the with block does not end the parents capture."""

import os
import sys

from ipyfdcapture import capture_fd

with capture_fd(drain=sys.argv[1]) as logs:
    child = os.fork()
    if child:
        print("in the parent", flush=True)
    else:
        os.write(1, b"in the child\n")
if not child:
    print("outside, in the child", flush=True)  # to where the parent's stdout went before
    logs.close()
    os._exit(0)
os.waitpid(child, 0)
assert sorted(logs.stdout.splitlines()) == ["in the child", "in the parent"], logs.stdout
print("outside, in the parent")
