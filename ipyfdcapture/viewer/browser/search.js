// The search: its field, its count, the next and the previous match or error.

import { button, counted, field, isOn, make, pair, press, setText, toggle } from "./elements.js";

/** @import {Found, Pattern, Row} from "./types" */
/** @import {Viewer} from "./viewer.js" */

export class Search {
  /** @type {Pattern | null} */
  pattern = null;
  /** Which match we are at; -1: none. */
  nth = -1;
  count = make("span", { class: "fdv-count", role: "status" });

  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    const changed = () => this.start();
    this.field = field("search", { type: "search", class: "fdv-search" }, () =>
      viewer.later("search", 250, changed),
    );
    this.field.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.step("match", event.shiftKey);
    };
    this.regex = toggle(".*", "expression", changed);
    this.case = toggle("Aa", "match case", changed);
    const title = "matches in lines that are not shown: show all lines";
    this.hidden = button("hidden", title, () => viewer.filters.clear());
    this.elements = [
      this.field,
      this.regex,
      this.case,
      ...pair("", "match", "n", (back) => this.step("match", back)),
      this.count,
      this.hidden,
    ];
  }

  /** Show what is searched for from the start. @param {Pattern} pattern */
  adopt(pattern) {
    this.pattern = pattern;
    this.field.value = pattern.text;
    press(this.regex, pattern.regex);
    press(this.case, pattern.case);
  }

  /** Search for what was typed. */
  async start() {
    const text = this.field.value;
    const pattern = text ? { text, regex: isOn(this.regex), case: isOn(this.case) } : null;
    if (JSON.stringify(pattern) === JSON.stringify(this.pattern)) return;
    this.pattern = pattern;
    this.nth = -1;
    this.viewer.waiting = null;
    this.viewer.redrawAll();
    this.viewer.take(await this.viewer.source.ask({ do: "search", pattern }));
  }

  /** Search for something else among the matches; return what they match. */
  async within() {
    await this.start();
    const { pattern } = this;
    this.field.value = "";
    this.field.focus();
    this.start();
    return pattern;
  }

  /** @param {Found | null} found */
  say(found) {
    let text = "";
    if (found?.error) text = found.error;
    else if (found) {
      text = `${counted(found.count)}${found.is_done ? "" : "+"}`;
      if (this.nth >= 0 && found.count) text = `${counted(this.nth + 1)} of ${text}`;
      if (found.slow) text += `, ${counted(found.slow)} lines took too long`;
    }
    setText(this.count, text);
    this.hidden.hidden = !found?.hidden;
    setText(this.hidden, `${counted(found?.hidden ?? 0)} hidden`);
  }

  /**
   * Go to the next match or error, or the previous one; wait for the scan if it has not got there.
   * @param {string} what
   * @param {boolean} back
   * @param {number} [start]
   * @param {string} [note] what to say of it; nothing: behind the last one the first comes
   */
  async step(what, back, start, note = "") {
    const { viewer } = this;
    const moves = ++viewer.moves;
    const isMatch = what === "match";
    // What was typed just now counts.
    if (isMatch) await this.start();
    if (isMatch && !this.pattern) return viewer.say("search for something first (/)");
    viewer.waiting = null;
    // The line that we are at may be the first match.
    const from = start ?? viewer.caret - (isMatch && this.nth < 0 && !back ? 1 : 0);
    const level = viewer.filters.level ?? "error";
    const reply = await viewer.source.ask({ do: "step", what, back, start: from, level });
    if (moves !== viewer.moves) return;
    if (typeof reply.index !== "number") {
      const noun = isMatch ? "match" : "line of this level";
      if (reply.is_done === false) viewer.wait(() => this.step(what, back, from, note));
      else if (note) viewer.say(`no ${noun}`);
      else if (back) this.step(what, back, viewer.lines.total, "on from the end");
      else this.step(what, back, -1, "on from the start");
      return;
    }
    if (isMatch) this.nth = reply.nth;
    viewer.goto(reply.index, true);
    viewer.say(note);
    viewer.sayStatus();
  }

  /** Return where a line has what is searched for. @param {Row} row */
  spansOf(row) {
    return this.pattern ? this.viewer.source.spansOf(row, this.pattern) : [];
  }
}
