"""A notebook in a headless browser, in JupyterLab or Notebook 7, with a real kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from helpers.process import REPO_DIR
from helpers.wait import LIMIT_S, eventually

#: Names another Python for the kernels, such as one with the oldest ipykernel.
KERNEL_PYTHON = "IPYFDCAPTURE_KERNEL_PYTHON"
#: Where each front end shows the file ``work/NAME``.
PATHS = {"jupyterlab": "doc/tree/", "notebook": "notebooks/", "nbclassic": "nbclassic/notebooks/"}


class NotebookServer:
    """A Jupyter server with JupyterLab or Notebook 7, over one directory.

    Parameters
    ----------
    home
        A directory of its own.
    app
        One of `PATHS`.
    theme
        ``Light`` or ``Dark``.
    subshells
        Whether the front end asks widgets' questions over a subshell.
    settings
        More settings of the front end, by plug-in.
    """

    def __init__(
        self,
        home: Path,
        app: str = "jupyterlab",
        theme: str = "Light",
        subshells: bool = True,
        settings: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.home = home
        self.app = app
        self.work = home / "work"
        self.work.mkdir(parents=True)
        self.environment = os.environ | {
            name: str(home / name.lower())
            for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        if python := os.environ.get(KERNEL_PYTHON):
            spec = home / "jupyter_data_dir/kernels/python3"
            spec.mkdir(parents=True)
            argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            kernel = {"argv": argv, "display_name": "Python 3", "language": "python"}
            (spec / "kernel.json").write_text(json.dumps(kernel))
            self.environment["JUPYTER_PREFER_ENV_PATH"] = "0"  # or that of this Python comes first
        path = [str(REPO_DIR), os.environ.get("PYTHONPATH", "")]
        self.environment["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
        known: dict[str, dict[str, Any]] = {
            "apputils-extension/themes": {"theme": f"JupyterLab {theme}"},
            "apputils-extension/notification": {"fetchNews": "false"},
        }
        if not subshells:
            known["apputils-extension/kernels-settings"] = {"commsOverSubshells": "disabled"}
        for name, values in (known | (settings or {})).items():
            extension, _, plugin = name.rpartition("/")
            scope = "" if extension.startswith("@") else "@jupyterlab/"
            place = home / f"jupyter_config_dir/lab/user-settings/{scope}{extension}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{plugin}.jupyterlab-settings").write_text(json.dumps(values))
        # Where ipyparallel is installed, its part of the front end opens a dialogue: the server has
        # none of its own.
        config = home / "jupyter_config_dir/labconfig/page_config.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps({"disabledExtensions": {"ipyparallel-labextension": True}}))
        options = {
            "IdentityProvider.token": "",
            "ServerApp.port": "0",
            "ServerApp.root_dir": str(self.work),
            "ServerApp.allow_root": "True",
            "ServerApp.open_browser": "False",
            "LabApp.news_url": "",
            "LabApp.expose_app_in_browser": "True",
            "JupyterNotebookApp.expose_app_in_browser": "True",
        }
        command = [sys.executable, "-m", app, "--no-browser"]
        command += [f"--{name}={value}" for name, value in options.items()]
        with open(home / "log", "wb") as output:
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            eventually(self._is_up, "the server", 2 * LIMIT_S)  # it imports a lot
        except BaseException:
            self.close()
            raise

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

    def notebook_url(self, name: str) -> str:
        """Return where the front end shows a notebook."""
        return f"{self.url}{PATHS[self.app]}{name}"

    def write(
        self, name: str, cells: list[str], outputs: dict[int, list[Any]] | None = None
    ) -> None:
        """Write a notebook."""
        import nbformat

        made = [nbformat.v4.new_code_cell(cell) for cell in cells]
        for number, some in (outputs or {}).items():
            made[number].outputs = some
        kernel = {"name": "python3", "display_name": "Python 3"}  # or a dialogue asks for one
        notebook = nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel})
        nbformat.write(notebook, self.work / name)

    def trust(self, name: str) -> None:
        """Trust a notebook, as its reader does."""
        command = [sys.executable, "-m", "jupyter", "trust", str(self.work / name)]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def close(self) -> None:
        """End the server and its kernels."""
        self.process.terminate()
        try:
            self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:  # it has nothing that must be saved
            self.process.kill()
            self.process.wait()


class NotebookPage:
    """One notebook that is open in the browser."""

    def __init__(self, browser: Any, server: NotebookServer, name: str) -> None:
        self.browser = browser
        browser.get(server.notebook_url(name))
        self.await_idle()

    def js(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def await_idle(self) -> None:
        """Wait until the notebook is there and its kernel waits."""
        ready = """
            const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
            return !!document.querySelector('.jp-CodeCell') && !!session?.isReady
                && session.session?.kernel?.status === 'idle';
        """
        eventually(lambda: self.js(ready), "the notebook and its kernel")

    def start(self, cell: int) -> None:
        """Run a cell, and do not wait for its end."""
        self.await_idle()
        self.js(
            """
            const notebook = window.jupyterapp.shell.currentWidget.content;
            notebook.deselectAll();
            notebook.activeCellIndex = arguments[0];
            window.jupyterapp.commands.execute('notebook:run-cell');
            """,
            cell,
        )

    def run(self, cell: int) -> None:
        """Run a cell to its end."""
        before = self.count(cell)
        self.start(cell)
        eventually(lambda: self.count(cell) not in (None, before), f"the end of cell {cell}")

    def count(self, cell: int) -> int | None:
        """Return the number under which a cell was run last; None: it is running, or never was."""
        number = self.js(
            """
            const cell = window.jupyterapp.shell.currentWidget.content.widgets[arguments[0]];
            return cell.model.sharedModel.execution_count;
            """,
            cell,
        )
        return None if number is None else int(number)

    def save(self) -> None:
        """Save the notebook's file."""
        self.js(
            "window.saved = false; window.jupyterapp.commands.execute('docmanager:save')"
            ".then(() => { window.saved = true; })"
        )
        eventually(lambda: self.js("return window.saved"), "the notebook is saved")

    def find(self, selector: str) -> Any:
        """Return the first element, once there is one."""
        found: list[Any] = eventually(
            lambda: self.browser.find_elements("css selector", selector), selector
        )
        return found[0]

    def all(self, selector: str) -> list[Any]:
        return list(self.browser.find_elements("css selector", selector))

    def value(self, code: str, timeout: float = LIMIT_S) -> str:
        """Return the text of an expression's value in the kernel; it may take ``timeout`` s."""
        script = """
            const done = arguments[arguments.length - 1];
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({
                code: '', silent: true, user_expressions: {value: arguments[0]}});
            future.done.then(reply => done(reply.content.user_expressions.value));
        """
        self.browser.set_script_timeout(timeout)
        answer = self.browser.execute_async_script(script, code)
        assert answer["status"] == "ok", answer
        return str(answer["data"]["text/plain"])
