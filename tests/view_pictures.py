"""Pictures of the static view wherever it may be looked at, and what is measurably wrong in them.

    python tests/view_pictures.py DIRECTORY            # all of them, some minutes
    python tests/view_pictures.py DIRECTORY pages      # without the notebook servers

Real are JupyterLab, Notebook 7 and nbclassic, over a notebook that was saved, and what nbconvert
makes of it. Simulated are VS Code, by a page with the style sheet, the variables and the classes
that it gives its webviews, and GitHub, by what its documentation says that it keeps of HTML. Needs
JupyterLab, Notebook, nbclassic, Selenium and Chromium (``pip install -e ".[test,lab]"``).
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS_DIR = Path(__file__).resolve().parent
for place in (str(TESTS_DIR), str(TESTS_DIR.parent)):
    if place not in sys.path:
        sys.path.insert(0, place)

import bleach  # noqa: E402
import nbconvert  # noqa: E402
import nbformat  # noqa: E402
from helpers.browser import open_browser  # noqa: E402
from helpers.logs import make_log  # noqa: E402
from helpers.notebook import NotebookServer  # noqa: E402
from helpers.wait import LIMIT_S, eventually  # noqa: E402

WIDTHS_PX = (400, 800, 2400)
SERVERS = {
    "jupyterlab-light": ("jupyterlab", "Light"),
    "jupyterlab-dark": ("jupyterlab", "Dark"),
    "jupyterlab-high-contrast": ("jupyterlab", "Dark High Contrast"),
    "notebook-light": ("notebook", "Light"),
    "notebook-dark": ("notebook", "Dark"),
    "nbclassic": ("nbclassic", "Light"),
}
#: What GitHub keeps of HTML, by the documentation of github-markup.
GITHUB_TAGS = """
h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p ol ul
table thead tbody tfoot blockquote dl dt dd kbd q samp var hr ruby rt rp li tr
td th s strike summary details caption figure figcaption abbr bdo cite dfn mark
small span time wbr
"""
GITHUB_ATTRIBUTES = ["open", "dir", "scope", "title", "href", "src", "alt"]
GITHUB_CSS = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2em; max-width: 1012px;
  overflow-wrap: break-word }
pre { background: #f6f8fa; padding: 16px; overflow: auto; font-size: 85% }
pre, code { font-family: ui-monospace, monospace }
table { border-collapse: collapse; display: block; overflow: auto }
td, th { border: 1px solid #d1d9e0; padding: 6px 13px }
"""
#: What VS Code gives the page of a notebook's outputs: a style sheet over variables of the theme.
VSCODE_CSS = """
html { scrollbar-color: #80808080 var(--vscode-editor-background) }
body { background: var(--vscode-editor-background); color: var(--vscode-editor-foreground);
  font: 13px var(--vscode-font-family); margin: 0; padding: 0 20px }
code { color: var(--vscode-textPreformat-foreground); padding: 1px 3px; border-radius: 4px;
  background-color: var(--vscode-textPreformat-background); font-family: monospace }
table, th, td { border: none; border-collapse: collapse; vertical-align: middle }
th, td { padding: 4px 8px; text-align: right }
tr:nth-child(even) { background: var(--vscode-list-hoverBackground) }
"""
VSCODE_THEMES = {
    "light": ("vscode-light", "#ffffff", "#3b3b3b", "#a31515", "#f2f2f2"),
    "dark": ("vscode-dark", "#1f1f1f", "#cccccc", "#d0d0d0", "#2a2d2e"),
    "high-contrast": ("vscode-high-contrast", "#000000", "#ffffff", "#ffffff", "#000000"),
    "high-contrast-light": (
        "vscode-high-contrast vscode-high-contrast-light",
        "#ffffff",
        "#292929",
        "#292929",
        "#ffffff",
    ),
}
#: What is wrong in a picture, as far as that can be measured: returns sentences.
LOOK = r"""
    const problems = [];
    const all = [...document.querySelectorAll('pre')].filter(
        (pre) => pre.textContent.includes('residual') && !pre.textContent.includes('logs ='));
    if (!all.length) problems.push('no log is there');
    const ink = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor.match(/[\d.]+/g).map(Number);
            if (colour.length === 3 || colour[3] > 0.5) return colour;
        }
        return [255, 255, 255];
    };
    const light = ([r, g, b]) => {
        const part = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    for (const pre of all) {
        const text = document.createElement('span');
        text.style.visibility = 'hidden';
        (pre.querySelector('code') ?? pre).append(text);
        const width = (word) => {
            text.textContent = word;
            return text.getBoundingClientRect().width;
        };
        if (Math.abs(width('iiiiiiii') - width('MMMMMMMM')) > 0.5) problems.push('not one width');
        text.remove();
        const poor = new Set();
        const walk = document.createTreeWalker(pre.closest('.fdlog') ?? pre, NodeFilter.SHOW_TEXT);
        for (let node; (node = walk.nextNode());) {
            const e = node.parentElement;
            if (!node.data.trim() || !e.getClientRects().length || e.closest('style')) continue;
            const front = light(getComputedStyle(e).color.match(/[\d.]+/g).map(Number));
            const back = light(ink(e));
            const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
            const said = `${e.className} ${node.data.trim().slice(0, 20)}`;
            if (ratio < 4) poor.add(`${ratio.toFixed(1)} ${said}`);
        }
        for (const one of poor) problems.push('contrast ' + one);
        const view = pre.closest('.fdlog');
        if (view && view.scrollWidth > view.clientWidth + 1) problems.push('wider than its frame');
        if (view?.innerText.includes('--fd-')) problems.push('a style sheet is shown as text');
    }
    const root = document.scrollingElement;
    if (root.scrollWidth > root.clientWidth + 1)
        problems.push(`the page is ${root.scrollWidth} px wide`);
    if (document.body.innerText.includes('.fdlog{')) problems.push('a style sheet is shown');
    return problems;
"""


def outputs() -> list[Any]:
    """Return a log and a narrower one, as a notebook keeps them."""
    lines = [f"step {i:4d}  residual {2.0**-i:.3e}" for i in range(60)]
    lines[3] = "\x1b[32mOK\x1b[0m mesh \x1b[1;34mread\x1b[0m, \x1b[7m4,000 cells\x1b[0m residual"
    lines[5] = "mesh.cpp:4: \x1b[35mwarning: \x1b[0munused variable in residual<double> of a mesh"
    lines[7] = "partition " + " ".join(f"{i}:{i * 7919 % 101}" for i in range(26))
    lines[55] = "\x1b[1;31merror:\x1b[0m the matrix is singular"
    lines[56] = "读入 网格 ▁▃▅▇ residual مرحبا"
    lines[57] = "long " + "0123456789 " * 60
    log = make_log([(int(i % 9 == 5), f"{line}\n".encode()) for i, line in enumerate(lines)])
    made = []
    for each in (log, log.grep("residual").tail(5)):
        made.append(nbformat.v4.new_output("display_data", dict(each._repr_mimebundle_())))
    return made


def pages(shown: list[Any], notebook: Any) -> Iterator[tuple[str, str]]:
    """Yield names, and pages that need no server."""
    templates = [str(Path(nbconvert.__file__).parents[4] / "share/jupyter/nbconvert/templates")]
    for template, theme in (("lab", "light"), ("lab", "dark"), ("classic", ""), ("basic", "")):
        for sanitized in (False, True):
            exporter = nbconvert.HTMLExporter(
                template_name=template, extra_template_basedirs=templates, sanitize_html=sanitized
            )
            if theme:
                exporter.theme = theme
            name = f"nbconvert-{template}{theme and '-'}{theme}{'-sanitized' * sanitized}"
            yield name, exporter.from_notebook_node(notebook)[0]
    markdown = nbconvert.MarkdownExporter(extra_template_basedirs=templates)
    text = markdown.from_notebook_node(notebook)[0]
    from markdown_it import MarkdownIt

    yield "github-markdown", _github(MarkdownIt("gfm-like", {"linkify": False}).render(text))
    views = "".join(output.data["text/html"] for output in shown)
    yield "github-notebook", _github(views)
    for name, (classes, background, colour, code, hover) in VSCODE_THEMES.items():
        variables = (
            f"--vscode-editor-background:{background};--vscode-editor-foreground:{colour};"
            f"--vscode-textPreformat-foreground:{code};--vscode-textPreformat-background:{hover};"
            f"--vscode-list-hoverBackground:{hover};--vscode-font-family:system-ui,sans-serif"
        )
        yield (
            f"vscode-{name}",
            f'<!DOCTYPE html><meta charset="utf-8"><html style="{variables}">'
            f'<style>{VSCODE_CSS}</style><body class="{classes}">{views}</body></html>',
        )


def _github(text: str) -> str:
    kept = bleach.clean(
        text,
        tags=set(GITHUB_TAGS.split()),
        attributes=GITHUB_ATTRIBUTES,
        strip=True,
        strip_comments=True,
    )
    return f'<!DOCTYPE html><meta charset="utf-8"><style>{GITHUB_CSS}</style><body>{kept}</body>'


class Camera:
    """Takes pictures of the page, at several widths, and says what is wrong."""

    def __init__(self, browser: Any, directory: Path) -> None:
        self.browser = browser
        self.directory = directory
        self.problems = 0

    def sees_a_log(self) -> bool:
        """Tell whether the page has come so far."""
        script = """
            return [...document.querySelectorAll('pre')].some(
                (pre) => pre.textContent.includes('singular'));
        """
        return bool(self.browser.execute_script(script))

    def take(self, name: str, widths: tuple[int, ...] = WIDTHS_PX) -> None:
        """Take pictures of what is in the browser."""
        for width in widths:
            size = {"width": width, "height": 1500, "deviceScaleFactor": 1, "mobile": False}
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            # Two frames, so that what depends on the width is laid out.
            self.browser.execute_async_script(
                "const done = arguments[0];"
                "requestAnimationFrame(() => requestAnimationFrame(() => done()))"
            )
            for problem in self.browser.execute_script(LOOK):
                print(f"{name}, {width} px: {problem}", flush=True)
                self.problems += 1
            taken = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
            path = self.directory / f"{name}-{width}.png"
            path.write_bytes(base64.b64decode(taken["data"]))

    def take_forced(self, name: str) -> None:
        """Take one with the system's own few colours."""
        feature = {"name": "forced-colors", "value": "active"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        self.take(f"{name}-forced-colours", (800,))
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def take_pages(camera: Camera, shown: list[Any], notebook: Any, place: Path) -> None:
    """Take pictures of what needs no server."""
    for name, text in pages(shown, notebook):
        path = place / f"{name}.html"
        path.write_text(text)
        camera.browser.get(path.as_uri())
        camera.take(name)
        if name in ("nbconvert-lab-light", "vscode-dark"):
            camera.take_forced(name)


def take_servers(camera: Camera, notebook: Any, place: Path, names: list[str]) -> None:
    """Take pictures in real front ends, of a notebook that was saved, trusted and not."""
    for name in names:
        app, theme = SERVERS[name]
        server = NotebookServer(place / name, app, theme)
        try:
            for file in ("trusted.ipynb", "untrusted.ipynb"):
                trust = file == "trusted.ipynb"
                notebook.cells[0].source = f"logs = {file!r}"  # what is trusted is the content
                nbformat.write(notebook, server.work / file)
                if trust:
                    server.trust(file)
                camera.browser.get(server.notebook_url(file))
                eventually(camera.sees_a_log, name, 3 * LIMIT_S)
                camera.take(name if trust else f"{name}-untrusted")
                if trust:
                    camera.take_forced(name)
        finally:
            server.close()


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("which", nargs="*", help=f"pages, or some of {', '.join(SERVERS)}")
    arguments = parser.parse_args()
    which = arguments.which or ["pages", *SERVERS]
    if unknown := set(which) - {"pages", *SERVERS}:
        parser.error(f"no {', '.join(sorted(unknown))}")
    arguments.directory.mkdir(parents=True, exist_ok=True)
    shown = outputs()
    cells = [nbformat.v4.new_code_cell("logs = ...", outputs=shown, execution_count=1)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with open_browser(place / "profile") as browser:
            browser.set_script_timeout(LIMIT_S)
            camera = Camera(browser, arguments.directory)
            if "pages" in which:
                take_pages(camera, shown, notebook, place)
            take_servers(camera, notebook, place, [one for one in which if one in SERVERS])
    print(f"{camera.problems} problems; pictures in {arguments.directory}")


if __name__ == "__main__":
    main()
