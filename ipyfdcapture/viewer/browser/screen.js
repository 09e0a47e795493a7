// What is seen of the lines: a grid with rows for those alone that fit, moved along as one scrolls.

import { make } from "./elements.js";
import { cell, cellsOf, LEVELS, timeOf } from "./row.js";
import { Scroll } from "./scroll.js";

/** @import {Row} from "./types" */
/** @import {Viewer} from "./viewer.js" */

/** @typedef {{element: HTMLElement, row?: Row, before?: Row, stamp: number}} Drawn */

export class Screen {
  id = `fdv${Math.random().toString(36).slice(2)}`;
  rows = make("div", { class: "fdv-lines", role: "rowgroup" });
  port = make("div", { class: "fdv-port", role: "presentation" }, this.rows);
  /** @type {Map<number, Drawn>} */
  drawn = new Map();
  /** Rows of another stamp are drawn anew. */
  stamp = 0;

  /** @param {Viewer} viewer @param {number} height in pixels */
  constructor(viewer, height) {
    this.viewer = viewer;
    const spacer = make("div", { class: "fdv-spacer", role: "presentation" });
    this.grid = make(
      "div",
      {
        class: "fdv-grid",
        role: "grid",
        tabindex: "0",
        "aria-label": "log lines",
        "aria-multiselectable": "true",
      },
      this.port,
      spacer,
    );
    this.grid.style.height = `${height}px`;
    this.scroll = new Scroll(this.grid, this.port, spacer, (...work) => viewer.later(...work));
  }

  /** Return the element of a line that is drawn. @param {number} index */
  at(index) {
    return this.drawn.get(index)?.element;
  }

  /** Return the line of an element. @param {Element} target */
  indexOf(target) {
    const row = target.closest(".fdv-row");
    return row ? Number(row.id.slice(this.id.length + 1)) : -1;
  }

  /** Whether all of a line is seen. @param {number} index */
  shows(index) {
    const box = this.at(index)?.getBoundingClientRect();
    const { top } = this.port.getBoundingClientRect();
    return box && box.top >= top - 1 && box.bottom <= top + this.scroll.view;
  }

  draw() {
    const { scroll, viewer } = this;
    const { lines } = viewer;
    this.port.style.height = `${this.grid.clientHeight}px`;
    const { view } = scroll;
    if (!view) return;
    this.grid.setAttribute("aria-rowcount", String(lines.total));
    scroll.total = lines.total;
    scroll.settle();
    const first = Math.max(0, scroll.line - 4);
    const last = Math.min(lines.total, scroll.line + Math.ceil(view / scroll.height) + 5);
    lines.need(first, last);
    const drawn = new Map();
    for (let index = first; index < last; index++) drawn.set(index, this.drawnAt(index));
    this.drawn = drawn;
    const elements = [...drawn.values()].map((one) => one.element);
    const { children } = this.rows;
    // What stays is left alone: text may be marked in it.
    for (const old of [...children]) if (!elements.includes(/** @type {any} */ (old))) old.remove();
    elements.forEach((one, i) => {
      if (one !== children[i]) this.rows.insertBefore(one, children[i] ?? null);
    });
    if (!scroll.wrap) scroll.height = this.at(scroll.line)?.offsetHeight || scroll.height;
    else if (scroll.settleWrapped((index) => this.at(index), elements.at(-1))) viewer.redraw();
    const top = this.at(scroll.line)?.offsetTop ?? 0;
    this.rows.style.transform = `translateY(${-(top + scroll.px)}px)`;
    this.mark();
    scroll.show();
  }

  /** @param {number} index @returns {Drawn} */
  drawnAt(index) {
    const { lines } = this.viewer;
    const [row, before, stamp] = [lines.get(index), lines.get(index - 1), this.stamp];
    const old = this.drawn.get(index);
    if (old?.row === row && old?.before === before && old?.stamp === stamp) return old;
    return { element: this.element(index, row, before), row, before, stamp };
  }

  /** @param {number} index @param {Row | undefined} row @param {Row | undefined} before */
  element(index, row, before) {
    const { viewer } = this;
    const id = `${this.id}-${index}`;
    const rowindex = String(index + 1);
    const element = make("div", { class: "fdv-row", role: "row", id, "aria-rowindex": rowindex });
    if (!row) {
      element.append(cell("fdv-x", "…"));
      return element;
    }
    const { total } = viewer.lines;
    if (row[3] >= 4 && row[3] < LEVELS.length) element.classList.add(`fdv-l${row[3]}`);
    if (before && total === viewer.status?.lines && before[0] + 1 !== row[0])
      element.classList.add("fdv-gap");
    const more = {
      time: timeOf(viewer.times.selectedIndex, row, before, viewer.started),
      source: viewer.sources.length > 1 ? (viewer.sources[row[1]] ?? ["?", false]) : null,
      isBookmarked: viewer.bookmarks.has(row[0]),
    };
    const showWhole = () => viewer.lines.whole(index);
    element.append(...cellsOf(row, viewer.search.spansOf(row), more, showWhole));
    return element;
  }

  /** Show which lines are marked, and where the caret is. */
  mark() {
    const { caret } = this.viewer;
    const [start, stop] = this.viewer.marked;
    for (const [index, { element }] of this.drawn) {
      const isMarked = stop - start > 1 && index >= start && index < stop;
      element.classList.toggle("fdv-marked", isMarked);
      element.classList.toggle("fdv-caret", index === caret);
      element.setAttribute("aria-selected", String(isMarked || index === caret));
    }
    if (this.drawn.has(caret))
      this.grid.setAttribute("aria-activedescendant", `${this.id}-${caret}`);
    else this.grid.removeAttribute("aria-activedescendant");
  }
}
