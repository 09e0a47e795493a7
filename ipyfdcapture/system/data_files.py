"""The package's own files that are no modules, also where it was imported from an archive."""

from __future__ import annotations

import pkgutil


def read_data_file(package: str | None, name: str) -> str:
    """Return the text of a file that lies beside the modules of ``package``."""
    content = pkgutil.get_data(package or "", name)
    if content is None:
        raise FileNotFoundError(f"{package} was imported from where no files can be read: {name}")
    return content.decode("utf-8")
