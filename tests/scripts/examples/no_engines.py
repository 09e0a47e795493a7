from IPython import get_ipython

get_ipython().run_line_magic("unload_ext", "ipyfdcapture.ipyparallel")
client.close()  # type: ignore[name-defined]  # noqa: F821
_engines.stop_cluster_sync()  # type: ignore[name-defined]  # noqa: F821
