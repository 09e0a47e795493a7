# On a machine under load, a progress bar would be shown.
get_ipython().run_line_magic("pxconfig", "--progress-after -1")  # noqa: F821
