"""The viewer's module keeps anywidget's rules, with a model that only does what these promise.

The rules: a default export with ``render({model, el})``, which draws into ``el`` alone and returns
what takes it all away; a model with ``get``, ``on``, ``off`` and ``send``; several views of one.
VS Code, Colab and marimo have hosts of their own for such modules, and promise no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CHROMIUM, open_browser
from helpers.pointers import POINTERS, pointing
from helpers.wait import LIMIT_S, eventually

from ipyfdcapture.viewer import assets

pytest.importorskip("selenium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

#: A page with the module, and a kernel that has three lines.
HOST = """
    const [source, done] = arguments;
    const url = URL.createObjectURL(new Blob([source], {type: 'text/javascript'}));
    window.problems = [];
    addEventListener('error', (event) => problems.push(String(event.message)));
    addEventListener('unhandledrejection', (event) => problems.push(String(event.reason)));
    window.intervals = new Set();
    const { setInterval: set, clearInterval: clear } = window;
    window.setInterval = (...rest) => { const n = set(...rest); intervals.add(n); return n; };
    window.clearInterval = (n) => { intervals.delete(n); clear(n); };
    const status = (more) => ({
        event: 'status', generation: 0, lines: 3, shown: 3, filtered: 3, is_complete: true,
        state: 'complete', phrases: [], levels: [0, 0, 0, 0, 0, 0, 0], scanned: 3, found: null,
        timeline: null, problems: [], ...more});
    const rows = [1, 2, 3].map((n) => [n, 0, n, 0, `line ${n} is here`, 0]);
    const answers = {
        info: () => status({sources: [['stdout', false]], started: 0, search: null, level: null}),
        status: () => status({is_final: true, levels: [0, 0, 0, 0, 0, 2, 0]}),
        rows: () => ({generation: 0, start: 0, rows: rows.map((row) => [...row])}),
        line: ({number}) => ({row: [number, 0, number, 0, 'all that there is', -4000]}),
        search: () => status({found: {count: 3, looked: 3, is_done: true, slow: 0, error: ''}}),
        spans: ({texts}) => ({spans: texts.map(() => [[0, 4]])}),
    };
    window.rows = rows;
    window.model = {
        traits: {log_id: 'a1', height: 120, follow: false},
        heard: [], taking: [],
        get(name) { return this.traits[name]; },
        on(name, take) { this.taking.push([name, take]); },
        off(name, take) {
            this.taking = this.taking.filter(([kind, one]) => kind !== name || one !== take);
        },
        // Messages come with their buffers as a list of DataView.
        tell(content) {
            const buffers = [new DataView(new ArrayBuffer(8))];
            for (const [name, take] of this.taking)
                if (name === 'msg:custom') take(content, buffers);
        },
        send(content, callbacks, buffers) {
            if (this.isGone) throw new Error('the comm is gone');
            this.heard.push(content);
            const reply = answers[content.do]?.(content);
            if (reply) setTimeout(() => this.tell({...reply, re: content.id, view: content.view}));
        },
    };
    window.tellStatus = (view, more) => model.tell({...status({}), ...more, view});
    window.later = (ms) => {
        const now = performance.now.bind(performance);
        performance.now = () => now() + ms;
    };
    window.draw = async () => {
        const el = document.body.appendChild(document.createElement('div'));
        return {el, end: await viewer.render({model, el, experimental: {}})};
    };
    import(url).then((module) => {
        window.viewer = module.default;
        done([Object.keys(module), Object.keys(module.default)]);
    });
"""
LINES = """
    return [...document.querySelectorAll('.fdv')].map(
        (view) => [...view.querySelectorAll('.fdv-x')].map((line) => line.textContent));
"""
THREE = [f"line {n} is here" for n in (1, 2, 3)]


class Host:
    """A page that is the host of the module."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.exports = browser.execute_async_script(HOST, assets.live_module())

    def js(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def draw(self, count: int = 1) -> None:
        """Draw views, and wait for their lines where the model answers."""
        for _ in range(count):
            self.browser.execute_async_script(
                "(window.views ??= []); draw().then((view) => arguments[0](views.push(view)))"
            )

    def await_lines(self, wanted: list[list[str]]) -> None:
        eventually(lambda: self.js(LINES) == wanted, f"the lines {wanted}")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    place: Path = tmp_path_factory.mktemp("host")
    (place / "host.html").write_text("<!DOCTYPE html><title>host</title><body></body>")
    with open_browser(place / "profile") as browser:
        browser.set_script_timeout(LIMIT_S)
        browser.host_url = (place / "host.html").as_uri()
        yield browser


@pytest.fixture
def host(browser: Any) -> Host:
    browser.get(browser.host_url)
    return Host(browser)


def test_it_has_one_export_that_renders(host: Host) -> None:
    assert host.exports == [["default"], ["render"]]


def test_two_views_of_a_model_are_apart_and_leave_nothing_behind(host: Host) -> None:
    host.draw(2)
    host.await_lines([THREE, THREE])
    assert host.js("return new Set(model.heard.map((message) => message.view)).size") == 2
    search = "const field = views[0].el.querySelector('.fdv-search'); field.value = 'line';"
    host.js(search + "views[0].el.querySelector('[title=expression]').click()")
    marks = "return views.map((view) => view.el.querySelectorAll('mark').length)"
    eventually(lambda: host.js(marks) == [3, 0], "matches in the first view alone")
    host.js("views[0].end()")
    host.await_lines([THREE])
    assert host.js("return views[0].el.querySelectorAll('.fdv-row').length") == 0
    host.js("views[1].end()")
    said = "return model.heard.filter((message) => message.do === 'bye').length"
    assert host.js(said) == 2
    assert host.js("return model.taking.length") == 0
    assert host.js("return intervals.size") == 0
    assert host.js("return document.head.querySelectorAll('style, link, script').length") == 0
    assert host.js("return problems") == []


def test_marks_that_do_not_come_are_not_asked_for_again_and_again(host: Host) -> None:
    host.draw()
    host.await_lines([THREE])
    # The kernel of this page never answers what marks are asked for.
    asked = "return new Set(model.heard.filter((m) => m.do === 'marks').map((m) => m.id)).size"
    eventually(lambda: host.js(asked) == 1, "the first marks asked for")
    told = """
        const [{view}] = model.heard;
        let count = 20;
        const tell = () => {
            tellStatus(view);
            if (--count) requestAnimationFrame(tell);
            else arguments[0]();
        };
        tell();
    """
    host.browser.execute_async_script(told)
    assert host.js(asked) == 1


def test_the_last_word_is_asked_for_where_it_was_lost(host: Host) -> None:
    host.draw()
    host.await_lines([THREE])
    asked = "return model.heard.filter((message) => message.do === 'status').length"
    host.js("tellStatus(model.heard[0].view, {is_final: false}); later(10_000)")
    eventually(lambda: host.js(asked) == 1, "a question")
    said = "return views[0].el.querySelector('.fdv-foot').textContent"
    eventually(lambda: "2 errors" in host.js(said), "the answer")


def test_a_step_that_is_answered_late_takes_nobody_away(host: Host) -> None:
    host.draw()
    host.await_lines([THREE])
    host.js("""
        const grid = views[0].el.querySelector('.fdv-grid');
        grid.focus();
        window.press = (key) =>
            grid.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        press('e');
        press('j');  // before the answer
    """)
    answered = """
        const [step] = model.heard.filter((message) => message.do === 'step').slice(-1);
        model.tell({re: step.id, view: step.view, index: 2, nth: 0, is_done: true});
        requestAnimationFrame(() => requestAnimationFrame(arguments[0]));
    """
    caret = "return views[0].el.querySelector('.fdv-caret .fdv-x').textContent"
    host.browser.execute_async_script(answered)
    assert host.js(caret) == THREE[1]
    host.js("press('e')")
    host.browser.execute_async_script(answered)
    assert host.js(caret) == THREE[2]


def test_a_line_that_is_looked_for_takes_nobody_away_who_searches_meanwhile(host: Host) -> None:
    """As after a filter, which stays at the line that one was at."""
    host.draw()
    host.await_lines([THREE])
    host.js("""
        const grid = views[0].el.querySelector('.fdv-grid');
        grid.focus();
        model.tell({event: 'goto', goto: 1, view: model.heard[0].view});
        grid.dispatchEvent(new KeyboardEvent('keydown', {key: 'e', bubbles: true}));
    """)
    heard = "return model.heard.map((message) => message.do)"
    eventually(lambda: {"locate", "step"} <= set(host.js(heard)), "both questions")
    host.browser.execute_async_script("""
        for (const [what, index] of [['locate', 0], ['step', 2]]) {
            const [asked] = model.heard.filter((message) => message.do === what).slice(-1);
            model.tell({re: asked.id, view: asked.view, index, nth: 0, is_done: true});
        }
        requestAnimationFrame(() => requestAnimationFrame(arguments[0]));
    """)
    caret = "return views[0].el.querySelector('.fdv-caret .fdv-x').textContent"
    assert host.js(caret) == THREE[2]


@pytest.mark.parametrize("way", [*POINTERS, "key"])
def test_more_of_a_line_is_shown_as_far_as_it_goes(host: Host, way: Any) -> None:
    host.js("rows[1][5] = 9000")
    host.draw()
    cut = f"{THREE[1]} … 9,000 bytes more"
    host.await_lines([[THREE[0], cut, THREE[2]]])
    if way == "key":
        host.js("""
            const grid = views[0].el.querySelector('.fdv-grid');
            for (const key of ['j', 'x'])
                grid.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
        """)
    else:
        with pointing(host.browser, way) as pointer:
            pointer.press(host.browser.find_element("css selector", ".fdv-more"))
    whole = "all that there is … 4,000 bytes more, not here"
    host.await_lines([[THREE[0], whole, THREE[2]]])
    assert host.js("return document.querySelectorAll('.fdv-more').length") == 0
    assert host.js("return problems") == []


def test_it_sets_nothing_of_the_page_s(host: Host) -> None:
    added = """
        const done = arguments[0];
        const before = new Set(Object.keys(window));
        draw().then(({end}) => {
            end();
            done(Object.keys(window).filter((name) => !before.has(name)));
        });
    """
    assert host.browser.execute_async_script(added) == []


def test_a_model_whose_comm_is_gone_gets_one_quiet_line(host: Host) -> None:
    host.draw()
    host.await_lines([THREE])
    host.js("model.isGone = true; views[0].el.querySelector('.fdv-grid').focus()")
    host.js("views[0].el.querySelector('[title^=follow]').click()")
    host.js("later(60_000)")
    note = "return views[0].el.querySelector('.fdv-note').textContent"
    eventually(lambda: "the kernel does not answer" in host.js(note), "the line")
    assert host.js(LINES) == [THREE]
    host.js("views[0].end()")
    assert host.js("return [model.taking.length, intervals.size]") == [0, 0]
    assert host.js("return problems") == []


def test_a_view_is_drawn_in_a_shadow_root_too(host: Host) -> None:
    host.js("""
        const root = document.body.appendChild(document.createElement('div'));
        window.el = root.attachShadow({mode: 'open'}).appendChild(document.createElement('div'));
        viewer.render({model, el});
    """)
    rows = "return el.querySelectorAll('.fdv-row .fdv-n').length"
    eventually(lambda: host.js(rows) == 3, "lines")
    assert host.js("return problems") == []
