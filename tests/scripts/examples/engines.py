import atexit

import ipyparallel

_engines = ipyparallel.Cluster(n=2, log_level=40)
_engines.start_cluster_sync()
atexit.register(_engines.stop_cluster_sync)
client = _engines.connect_client_sync()
client.wait_for_engines(2, interactive=False)
view = client[:]
view.block = True
