"""How the documentation is built: ``sphinx-build -W -c docs . build/docs`` (or ``nox -s docs``).

The source directory is the repository itself, so that links between pages, notebooks and files
such as ``CHANGELOG.md`` are the same here and where the repository is browsed.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import ipyfdcapture  # noqa: E402

project = "ipyfdcapture"
author = "The ipyfdcapture developers"
copyright = author
version = release = ipyfdcapture.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/decisions/*.md",
    "notebooks/*.ipynb",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
# What need not be searched for pages.
exclude_patterns = [".*", "build", "dist", "ipyfdcapture", "tests"]

html_theme = "furo"
html_title = f"ipyfdcapture {version}"
html_show_sourcelink = False
# The site's first page, which leads to docs/index.html.
html_extra_path = ["site"]

# The notebooks are shown as they were saved; the tests run them (nbval).
nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "text/html", 0)]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# A name in single backticks is a link if it is a name of ours, and code otherwise.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = False
napoleon_use_rtype = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

nitpicky = True
nitpick_ignore_regex = [
    # The names in docstrings are those of the code; not all of them have an entry here.
    ("py:obj", r".*"),
    # Types from elsewhere, and those of ours that are not public.
    ("py:(class|exc|data|meth|func)", r"(?!ipyfdcapture\.[A-Z]).*"),
]
