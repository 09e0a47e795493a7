from IPython import get_ipython

# On a machine under load, a progress bar would be shown.
get_ipython().run_line_magic("pxconfig", "--progress-after -1")
