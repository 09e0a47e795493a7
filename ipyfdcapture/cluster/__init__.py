"""Output of other machines' processes: workers of a cluster, ranks of a parallel program.

A worker captures its own output into a recording beside it, and answers questions about that. The
client asks, by way of the cluster's own connections, and writes what it gets into one recording of
its own, by worker and in order of time. `service` is the worker's side, `collector` the client's.
May import `capture` and every room below it.
"""
