// Which lines are shown: by level, source, time, and by what they have or have not.

import { button, choice, clamp, field, isOn, make, pair, toggle } from "./elements.js";
import { LEVELS } from "./row.js";
import { Timeline } from "./timeline.js";

/** @import {Pattern} from "./types" */
/** @import {Viewer} from "./viewer.js" */

const MOST_CONTEXT = 1000;

export class Filters {
  /** @type {Pattern[]} */
  within = [];
  list = make("div", { class: "fdv-sources" });
  sources = make("details", {}, make("summary", {}, "sources"), this.list);
  chips = make("span", { class: "fdv-chips" });

  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    const changed = () => this.apply();
    const typed = () => this.applySoon();
    this.only = toggle("only", "show matches alone", changed);
    this.context = field(
      "lines around a match",
      { type: "number", min: "0", max: String(MOST_CONTEXT), placeholder: "±" },
      typed,
    );
    this.exclude = field("exclude", { type: "search" }, typed);
    this.levels = choice("least level", ["all levels", ...LEVELS.slice(1)], changed);
    this.list.onchange = ({ target }) => {
      const [all, ...boxes] = this.boxes;
      if (target === all) for (const box of boxes) box.checked = all.checked;
      else all.checked = boxes.every((box) => box.checked);
      typed();
    };
    const moment = { inputmode: "decimal" };
    this.from = field("from s", moment, typed);
    this.to = field("to s", moment, typed);
    this.timeline = new Timeline(
      (seconds) => viewer.locate({ seconds }),
      (range) => this.setRange(range),
    );
    // A chip goes away at a click, and the focus with it.
    this.chips.onclick = () => viewer.screen.grid.focus();
    this.ofMatches = [
      this.only,
      this.context,
      button("within", "search within these matches", async () => {
        const pattern = await viewer.search.within();
        if (pattern) this.within.push(pattern);
        this.apply();
      }),
      this.exclude,
    ];
    this.ofLines = [
      this.levels,
      ...pair("!", "error", "e", (back) => viewer.search.step("level", back)),
      this.sources,
      this.from,
      this.to,
    ];
  }

  /** The least level that is shown; null: all are. */
  get level() {
    return this.levels.selectedIndex ? this.levels.value : null;
  }

  /** The box of all sources, and that of each. @returns {HTMLInputElement[]} */
  get boxes() {
    return [...this.list.querySelectorAll("input")];
  }

  /** Offer sources to choose from. @param {[string, boolean][]} sources */
  offer(sources) {
    // Sources may come up while some are hidden.
    const hidden = this.boxes.filter((box) => !box.checked).map((box) => box.value);
    const labels = ["all", ...sources.map(([name]) => name)].map((name, i) => {
      const box = make("input", { type: "checkbox", value: String(i - 1) });
      box.toggleAttribute("checked", !hidden.includes(String(i - 1)));
      return make("label", {}, box, ` ${name}`);
    });
    this.list.replaceChildren(...labels);
    if (hidden.length) this.applySoon();
    this.sources.hidden = sources.length < 2;
  }

  applySoon() {
    this.viewer.later("filter", 500, () => this.apply());
  }

  /** Show the lines that are wanted, and stay at the line that we are at. */
  async apply() {
    const { viewer } = this;
    const number = await viewer.numberHere();
    const [all, ...boxes] = this.boxes;
    const chosen = boxes.filter((box) => box.checked).map((box) => Number(box.value));
    const exclude = this.exclude.value;
    const [first, last] = this.range;
    this.timeline.show(this.range);
    this.drawChips();
    const status = await viewer.source.ask({
      do: "filter",
      level: this.level,
      sources: all?.checked === false ? chosen : null,
      exclude: exclude ? [{ text: exclude }] : [],
      within: this.within,
      only: isOn(this.only),
      context: clamp(Math.round(Number(this.context.value) || 0), MOST_CONTEXT),
      first,
      last,
    });
    viewer.say(status.error ?? "");
    if (status.error) return;
    viewer.search.nth = -1;
    viewer.take(status);
    if (viewer.follow) viewer.toEnd();
    else if (number) viewer.locate({ number });
  }

  /** In seconds; null where it is open. */
  get range() {
    return [this.from, this.to].map((field) => {
      const seconds = Number.parseFloat(field.value);
      return Number.isNaN(seconds) ? null : seconds;
    });
  }

  /** @param {number[]} range empty: all */
  setRange(range) {
    const digits = range[1] - range[0] < 1 ? 6 : 3;
    [this.from, this.to].forEach((field, i) => {
      field.value = range[i]?.toFixed(digits) ?? "";
    });
    this.apply();
  }

  /** Show all lines: what asks for it goes away, and the focus with it. */
  clear() {
    for (const box of this.boxes) box.checked = true;
    this.levels.selectedIndex = 0;
    this.exclude.value = "";
    this.within = [];
    this.setRange([]);
    this.viewer.screen.grid.focus();
  }

  /** Show what is chosen out of sight, each to be taken away by a click. */
  drawChips() {
    const chip = (/** @type {string} */ text, /** @type {() => void} */ drop) =>
      button(`${text} ✕`, "take this away", drop);
    const chips = this.within.map((pattern, i) =>
      chip(pattern.text, () => {
        this.within.splice(i, 1);
        this.apply();
      }),
    );
    if (this.range.some((x) => x !== null)) chips.push(chip("time", () => this.setRange([])));
    this.chips.replaceChildren(...chips);
  }
}
