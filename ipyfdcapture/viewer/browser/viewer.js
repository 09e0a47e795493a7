// The viewer: how things stand with a log, where the reader is, and what is drawn of it. Lines come
// from a source, which asks the kernel (comm.js) or holds the log itself (local.js).

import {
  button,
  choice,
  clamp,
  counted,
  field,
  isOn,
  make,
  pair,
  press,
  setText,
  toggle,
} from "./elements.js";
import { Filters } from "./filters.js";
import { helpOfKeys, pressed } from "./keys.js";
import { Lines } from "./lines.js";
import { Marks } from "./marks.js";
import { LEVELS, shortName } from "./row.js";
import { Screen } from "./screen.js";
import { Search } from "./search.js";
import { copyLines, saveLines } from "./taking.js";

/** @import {Options, Source, Status} from "./types" */

/** Characters of a source before each line. */
const MOST_SOURCE = 24;
/** What waits asks again after this, though it hears nothing: what it waits for may have been told
 * before it began to wait. */
const RETRY_MS = 500;

export class Viewer {
  /** @type {Status | null} */
  status = null;
  /** @type {[string, boolean][]} */
  sources = [];
  started = 0;
  /** The line that we are at, and where marking it began; by index in what is shown. */
  caret = 0;
  anchor = 0;
  /** How often we moved: an answer that comes after a further move is no longer wanted. */
  moves = 0;
  /** Numbers of lines. @type {Set<number>} */
  bookmarks = new Set();
  /** Why there is no log any more. */
  gone = "";
  follow = false;
  isSeen = true;
  frame = 0;
  /** @type {{[name: string]: number}} */
  timers = {};
  /** A move that waits for a scan to get there. @type {null | (() => void)} */
  waiting = null;
  search = new Search(this);
  filters = new Filters(this);
  times = choice("times", ["no times", "elapsed", "clock", "since last"], () => this.redrawAll());
  number = field("line", { inputmode: "decimal", title: "go to a line (:)" }, () =>
    this.later("number", 300, () => this.toNumber()),
  );
  wrapToggle = toggle("wrap", "wrap long lines (w)", () => this.setWrap());
  markToggle = toggle("mark", "mark lines from here on (Shift)", () => this.setMark());
  followToggle = toggle("follow", "follow what is new (f)", () => this.setFollow());
  help = helpOfKeys();
  place = make("span", { class: "fdv-place" });
  about = make("span");
  note = make("span", { class: "fdv-note", role: "status" });

  /** @param {HTMLElement} root @param {Source} source @param {Options} options */
  constructor(root, source, options) {
    this.root = root;
    this.source = source;
    this.options = options;
    this.lines = new Lines(source, () => this.redraw());
    this.screen = new Screen(this, options.height);
    this.marks = new Marks(this, options.height);
    this.lay();
    this.watch();
    source.listen((status) => this.take(status));
    this.begin();
  }

  /** Lay out what a viewer is made of. */
  lay() {
    const { filters, search } = this;
    const { showStatic } = this.options;
    const ofAll = [
      button("copy", "copy marked lines, or all that are shown (c)", () => this.copy()),
      button("save", "save what is shown", () => saveLines(this)),
      ...(showStatic ? [button("static", "show or hide the static view", showStatic)] : []),
      button("?", "keys", () => this.help.toggleAttribute("hidden")),
    ];
    const ofLines = [
      this.number,
      this.times,
      this.wrapToggle,
      this.followToggle,
      ...pair("★", "bookmark", "b", (back) => this.stepBookmark(back)),
      button("⤒", "first line (g)", () => this.move(-Infinity)),
      button("⤓", "last line (G)", () => this.move(Infinity)),
      this.markToggle,
    ];
    this.root.classList.add("fdv", "fdv-waiting");
    this.root.append(
      make("div", { class: "fdv-bar" }, ...search.elements, ...filters.ofMatches, ...ofAll),
      make("div", { class: "fdv-bar" }, ...filters.ofLines, ...ofLines, filters.chips),
      this.help,
      filters.timeline.element,
      make("div", { class: "fdv-main" }, this.screen.grid, this.marks.element),
      make("div", { class: "fdv-foot" }, this.place, this.about, this.note),
    );
  }

  watch() {
    const { grid, rows, scroll } = this.screen;
    grid.onscroll = () => {
      const moved = this.isSeen && scroll.scrolled();
      if (!moved) return;
      if (moved < 0) this.stopFollowing();
      this.redraw();
    };
    this.root.onkeydown = (event) => {
      if (event.target === grid) pressed(this, event);
      else if (event.key === "Escape" || (event.key === "Enter" && event.target === this.number)) {
        // Or a search field would be emptied.
        event.preventDefault();
        grid.focus();
      }
      event.stopPropagation();
    };
    // The list of sources lies over the lines.
    grid.onfocus = () => this.filters.sources.toggleAttribute("open", false);
    rows.onclick = (event) => {
      const { target } = event;
      if (!(target instanceof Element) || target.matches("button")) return;
      const extend = event.shiftKey || isOn(this.markToggle);
      // Text is being marked.
      if (!extend && String(getSelection())) return;
      const index = this.screen.indexOf(target);
      if (index < 0) return;
      this.goto(index, false, extend);
      if (target.matches(".fdv-n") && !extend) this.bookmark();
    };
    // What a notebook takes out of the page and puts back has lost its place: ours is kept.
    const seen = new IntersectionObserver((entries) => {
      this.isSeen = entries[entries.length - 1].isIntersecting;
      if (this.isSeen) this.redraw();
    });
    const sized = new ResizeObserver(() => this.redraw());
    seen.observe(grid);
    sized.observe(grid);
    this.observers = [seen, sized];
  }

  /**
   * Do something once nothing of its name was asked for during a while.
   * @param {string} name
   * @param {number} wait ms
   * @param {() => void} work
   */
  later(name, wait, work) {
    clearTimeout(this.timers[name]);
    this.timers[name] = setTimeout(work, wait);
  }

  // -- how things stand ---------------------------------------------------------------------

  async begin() {
    this.take(await this.source.ask({ do: "info" }));
  }

  /** Take what the source says, asked or not. @param {any} message */
  take(message) {
    if (message.gone) {
      this.gone = message.gone;
      this.say("");
    } else if (message.goto !== undefined) this.locate({ number: message.goto });
    else if (message.lines !== undefined) this.takeStatus(message);
  }

  /** @param {Status} status */
  takeStatus(status) {
    const before = this.status;
    if (!before) {
      this.root.classList.remove("fdv-waiting");
      this.options.alive?.();
    }
    if (status.sources) this.describe(status);
    this.status = status;
    this.lines.take(status);
    this.caret = clamp(this.caret, this.lines.total - 1);
    if (before?.generation !== status.generation) {
      // Other lines are in the places of those that were marked.
      press(this.markToggle, false);
      this.anchor = this.caret;
    }
    if (this.follow && before?.shown !== status.shown) this.toEnd();
    this.marks.ask();
    this.sayStatus();
    this.filters.timeline.take(status.timeline);
    this.redraw();
    this.waiting?.();
  }

  /** Take what does not change, but for sources that come up. @param {Status} status */
  describe({ sources = [], started = 0, search, level }) {
    if (sources.length !== this.sources.length) {
      this.sources = sources;
      this.filters.offer(sources);
      const longest = Math.max(...sources.map(([name]) => shortName(name).length));
      this.root.style.setProperty("--fdv-source", `${Math.min(MOST_SOURCE, longest) + 1}ch`);
      this.screen.stamp++;
    }
    this.started = started;
    if (this.status) return;
    if (search) this.search.adopt(search);
    if (level) this.filters.levels.value = level;
  }

  sayStatus() {
    const { status } = this;
    if (!status) return;
    this.search.say(status.found);
    const parts = [...status.phrases, status.state];
    for (const code of [6, 5, 4]) {
      const many = status.levels[code];
      if (many) parts.push(`${counted(many)} ${LEVELS[code]}${many > 1 && code < 6 ? "s" : ""}`);
    }
    if (status.scanned < status.lines)
      parts.push(`levels ${Math.floor((100 * status.scanned) / status.lines)} %`);
    setText(this.about, parts.join(" · "));
    if (status.problems.length && !status.found?.error) this.say(status.problems[0]);
  }

  sayPlace() {
    const row = this.lines.get(this.caret);
    const [start, stop] = this.marked;
    const parts = [`${counted(this.lines.total)} of ${counted(this.status?.lines ?? 0)} shown`];
    if (row) parts.unshift(`line ${counted(row[0])}`);
    if (stop - start > 1) parts.push(`${counted(stop - start)} marked`);
    setText(this.place, parts.join(" · "));
  }

  /** @param {string} note */
  say(note) {
    setText(this.note, this.gone || note);
  }

  // -- drawing ------------------------------------------------------------------------------

  redraw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
    // A page that nobody sees draws no frames.
    else if (document.hidden) this.later("frame", 200, () => this.draw());
  }

  /** Draw rows anew, though they are the same. */
  redrawAll() {
    this.screen.stamp++;
    this.redraw();
  }

  draw() {
    this.frame = 0;
    if (!this.status) return;
    this.screen.draw();
    this.sayPlace();
  }

  nextTimes() {
    this.times.selectedIndex = (this.times.selectedIndex + 1) % this.times.length;
    this.redrawAll();
  }

  setWrap() {
    const { scroll } = this.screen;
    scroll.wrap = isOn(this.wrapToggle);
    this.root.classList.toggle("fdv-wrap", scroll.wrap);
    scroll.to(this.screen.at(this.caret) ? this.caret : scroll.line);
    this.redraw();
  }

  // -- moving -------------------------------------------------------------------------------

  /** The lines that are marked, or the one that we are at: the first, and the one after the last. */
  get marked() {
    return [Math.min(this.caret, this.anchor), Math.max(this.caret, this.anchor) + 1];
  }

  /** @param {number} index @param {boolean} [centre] @param {boolean} [extend] */
  goto(index, centre = false, extend = false) {
    const { scroll } = this.screen;
    this.moves++;
    this.waiting = null;
    this.say("");
    this.caret = clamp(index, this.lines.total - 1);
    if (!extend && !isOn(this.markToggle)) this.anchor = this.caret;
    if (!this.screen.shows(this.caret)) {
      let above = centre ? Math.floor(scroll.rows / 3) : 0;
      if (!centre && this.caret > scroll.line) above = scroll.rows - 2;
      scroll.to(this.caret - (scroll.wrap ? 0 : Math.max(0, above)));
    }
    this.later("select", 150, () => {
      const [start, stop] = this.marked;
      this.source.ask({ do: "select", start, stop });
    });
    this.redraw();
  }

  /** @param {number} by @param {boolean} [extend] */
  move(by, extend = false) {
    if (by < 0) this.stopFollowing();
    this.goto(this.caret + by, false, extend);
  }

  setMark() {
    this.stopFollowing();
    this.goto(this.caret);
  }

  unmark() {
    press(this.markToggle, false);
    this.goto(this.caret);
  }

  markAll() {
    this.anchor = 0;
    this.goto(Infinity, false, true);
  }

  toEnd() {
    const { scroll } = this.screen;
    scroll.total = this.lines.total;
    scroll.toEnd();
    this.caret = this.anchor = Math.max(0, this.lines.total - 1);
    this.redraw();
  }

  /** Go to a line, or to a moment. @param {{number: number} | {seconds: number}} where */
  async locate(where) {
    const moves = ++this.moves;
    const reply = await this.source.ask({ do: "locate", ...where });
    if (moves !== this.moves) return;
    if (reply.is_done === false) this.wait(() => this.locate(where));
    else if (typeof reply.index === "number") this.goto(reply.index, true);
  }

  /** Go to the line whose number was typed, as it is or with commas. */
  toNumber() {
    const { value } = this.number;
    const number = Number(value.replaceAll(",", ""));
    if (number >= 1) this.locate({ number: Math.floor(number) });
    else this.say(value && `there is no line ${value}`);
  }

  /** Move once a scan got further, unless the reader moves first. @param {() => void} move */
  wait(move) {
    this.waiting = move;
    this.later("wait", RETRY_MS, () => this.waiting?.());
    this.say("looking …");
  }

  /** Return the number of the line that we are at, once that is here. */
  async numberHere() {
    return (await this.lines.row(this.caret))?.[0];
  }

  setFollow() {
    this.follow = isOn(this.followToggle);
    this.source.ask({ do: "follow", on: this.follow });
    if (this.follow) this.toEnd();
  }

  stopFollowing() {
    if (this.follow) this.followToggle.click();
  }

  async bookmark() {
    const number = await this.numberHere();
    if (number && !this.bookmarks.delete(number)) this.bookmarks.add(number);
    this.redrawAll();
  }

  /** @param {boolean} back */
  async stepBookmark(back) {
    const here = (await this.numberHere()) ?? 0;
    const sorted = [...this.bookmarks].sort((a, b) => a - b);
    const next = back ? sorted.findLast((n) => n < here) : sorted.find((n) => n > here);
    if (next) this.locate({ number: next });
    else this.say(`no ${back ? "earlier" : "further"} bookmark`);
  }

  // -- taking away --------------------------------------------------------------------------

  copy() {
    const isMarked = this.caret !== this.anchor || this.screen.grid.matches(":focus");
    return copyLines(this, isMarked ? this.marked : [0, this.lines.total]);
  }
}
