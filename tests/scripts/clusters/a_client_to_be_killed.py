"""A client that captures workers until it is killed. Arguments: the engine, and where it is."""

import sys
import time

engine, place = sys.argv[1:]
if engine == "dask":
    from distributed import Client

    from ipyfdcapture.dask import capture_workers

    client = Client(scheduler_file=place)
    client.wait_for_workers(2)
    logs = capture_workers(client, live=None)
else:
    import ipyparallel

    from ipyfdcapture.ipyparallel import capture_engines

    client = ipyparallel.Client(place)
    client.wait_for_engines(2)
    logs = capture_engines(client, live=None)
while len(logs.workers()) < 2:
    time.sleep(0.01)
print("captured", flush=True)
time.sleep(600)
