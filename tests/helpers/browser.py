"""Headless Chromium, and a JupyterLab to look at with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

from helpers.wait import eventually
from ipyfdcapture.log.captured import Captured

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,1200",
]


class Lab:
    """A JupyterLab with one trusted notebook, which shows a log."""

    def __init__(self, home: Path, theme: str, log: Captured) -> None:
        self.home = home
        self.environment = os.environ | {
            name: str(home / name.lower())
            for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        settings = home / "jupyter_config_dir/lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        (settings / "themes.jupyterlab-settings").write_text(
            json.dumps({"theme": f"JupyterLab {theme}"})
        )
        (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
        self._write_notebook(log)
        options = {
            "IdentityProvider.token": "",
            "ServerApp.port": "0",
            "ServerApp.root_dir": str(home / "work"),
            "ServerApp.allow_root": "True",
            "ServerApp.open_browser": "False",
            "LabApp.news_url": "",
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with open(home / "log", "wb") as output:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            eventually(self._is_up, "JupyterLab is up")
        except BaseException:
            self.close()
            raise

    def _write_notebook(self, log: Captured) -> None:
        import nbformat

        output = nbformat.v4.new_output("display_data", data=log._repr_mimebundle_())
        cell = nbformat.v4.new_code_cell("logs", outputs=[output])
        (self.home / "work").mkdir()
        kernel = {"name": "python3", "display_name": "Python 3"}  # or a dialogue asks for one
        notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.home / "work/log.ipynb")
        trust = [sys.executable, "-m", "jupyter", "trust", str(self.home / "work/log.ipynb")]
        subprocess.run(trust, env=self.environment, check=True, capture_output=True)

    def _is_up(self) -> bool:
        assert self.process.poll() is None, (self.home / "log").read_text()
        for file in (self.home / "jupyter_runtime_dir").glob("jpserver-*.json"):
            try:
                self.url = json.loads(file.read_text())["url"]
                urllib.request.urlopen(self.url + "api").close()
            except (OSError, ValueError):
                return False
            return True
        return False

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
