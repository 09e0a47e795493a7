// The viewer: what is seen and what keys and mouse do. Lines come from a source, which asks the
// kernel (comm.js) or holds the log itself (local.js). Text of the log reaches the page as text
// nodes alone; classes and colours come from integers that were checked.

/** @typedef {[string, number, number, number]} Run text, flags, foreground, background */
/** @typedef {[number, number, number, number, string | Run[], number]} Row see rows.py */
/** @typedef {{text: string, regex: boolean, case: boolean}} Pattern */
/** @typedef {{start: number, seconds: number, tracks: number[][]}} Timeline */
/** @typedef {{count: number, looked: number, is_done: boolean, slow: number, error: string}} Found */
/**
 * @typedef {{event?: string, generation: number, lines: number, shown: number, filtered: number,
 *   is_complete: boolean, state: string, phrases: string[], levels: number[], scanned: number,
 *   found: Found | null, timeline: Timeline | null, problems: string[], start?: number,
 *   rows?: Row[], gone?: string, goto?: number, sources?: [string, boolean][], started?: number,
 *   search?: Pattern | null, level?: string | null}} Status
 */
/** @typedef {{[name: string]: any}} Message */
/**
 * @typedef {{ask: (message: Message) => Promise<any>, listen: (take: (status: any) => void) => void,
 *   tell: (note: string) => void, close: () => void, canMatch: boolean}} Source
 */

const PAGE_ROWS = 200;
const MOST_PAGES = 50;
// Browsers lay out no more than some 16 million pixels.
const MOST_PIXELS = 8e6;
const MOST_COPIED = 5e6;
const MOST_SAVED = 2e8;
let idsUsed = 0;

/** @param {string | Run[]} content */
function plain(content) {
  return typeof content === "string" ? content : content.map((run) => run[0]).join("");
}

/** @param {number} value */
function counted(value) {
  return value.toLocaleString("en");
}

/**
 * Return where a text has what is looked for, as it is.
 * @param {string} text
 * @param {Pattern} pattern
 * @returns {number[][]}
 */
function spansOf(text, pattern) {
  let needle = pattern.text;
  if (!pattern.case) {
    const lower = text.toLowerCase();
    if (lower.length !== text.length) return [];
    text = lower;
    needle = needle.toLowerCase();
  }
  const spans = [];
  for (let at = text.indexOf(needle); at >= 0 && spans.length < 200; ) {
    spans.push([at, at + needle.length]);
    at = text.indexOf(needle, at + Math.max(1, needle.length));
  }
  return spans;
}

/** @param {number} colour 24 bits of red, green and blue; returns 0 to 255 */
function luminance(colour) {
  return 0.3 * (colour >> 16) + 0.6 * ((colour >> 8) & 255) + 0.1 * (colour & 255);
}

class Viewer {
  /**
   * @param {HTMLElement} root
   * @param {Source} source
   * @param {{height: number, alive?: () => void, showStatic?: () => void}} options
   */
  constructor(root, source, options) {
    this.root = root;
    this.source = source;
    this.options = options;
    this.id = `fdv${++idsUsed}-${Math.random().toString(36).slice(2, 8)}`;
    /** @type {Status | null} */
    this.status = null;
    /** @type {[string, boolean][]} */
    this.sources = [];
    this.started = 0;
    this.generation = 0;
    this.total = 0;
    // The first shown line, and how many of its pixels are above the edge.
    this.line = 0;
    this.px = 0;
    this.caret = 0;
    this.anchor = 0;
    /** @type {Map<number, Row[]>} */
    this.pages = new Map();
    /** @type {Set<number>} */
    this.asked = new Set();
    /** @type {Map<number, HTMLElement>} */
    this.drawn = new Map();
    /** @type {Pattern | null} */
    this.search = null;
    /** @type {Map<number, number[][]>} */
    this.spans = new Map();
    /** @type {Set<number>} */
    this.bookmarks = new Set();
    /** @type {Pattern[]} */
    this.within = [];
    /** @type {number[] | null} */
    this.range = null;
    this.nth = -1;
    this.follow = false;
    this.wrap = false;
    this.visible = true;
    this.lastTop = 0;
    this.height = 18;
    this.frame = 0;
    this.lastFirst = 0;
    this.askingSpans = false;
    /** @type {Timeline | null} */
    this.drawnTimeline = null;
    /** @type {{[name: string]: number}} */
    this.timers = {};
    /** @type {null | {what: string, back: boolean, start: number}} */
    this.stepping = null;
    this.ui = new Controls(root, this);
    this.brush();
    this.watch();
    source.listen((status) => this.take(status));
    this.begin();
  }

  // -- the browser's events ------------------------------------------------------------------

  watch() {
    this.ui.grid.addEventListener("scroll", () => this.scrolled());
    this.ui.grid.addEventListener("wheel", (event) => event.deltaY < 0 && this.stopFollowing(), {
      passive: true,
    });
    this.ui.grid.addEventListener("touchmove", () => this.stopFollowing(), { passive: true });
    this.ui.grid.addEventListener("keydown", (event) => this.pressed(event));
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && event.target !== this.ui.grid) {
        event.preventDefault(); // or a search field would be emptied
        this.ui.grid.focus();
      }
      event.stopPropagation();
    });
    this.ui.lines.addEventListener("click", (event) => this.clicked(event));
    this.ui.marks.addEventListener("click", (event) => {
      const box = this.ui.marks.getBoundingClientRect();
      this.goto(Math.floor(((event.clientY - box.top) / box.height) * this.total), true);
    });
    // What a notebook takes out of the page and puts back has lost its place: ours is kept.
    this.observers = [
      new IntersectionObserver((entries) => {
        this.visible = entries[entries.length - 1].isIntersecting;
        if (this.visible) this.redraw();
      }),
      new ResizeObserver(() => this.redraw()),
    ];
    for (const observer of this.observers) observer.observe(this.ui.grid);
    this.themes = new MutationObserver(() => this.setTheme());
    for (const element of [document.documentElement, document.body])
      this.themes.observe(element, { attributes: true });
    this.setTheme();
  }

  /** Follow the page's own colours, whoever sets them: a shadow root hides the page from CSS. */
  setTheme() {
    let dark = matchMedia("(prefers-color-scheme: dark)").matches;
    /** @type {Node | null} */
    let node = this.root.parentNode;
    while (node) {
      if (node instanceof Element) {
        const [r, g, b, alpha] =
          getComputedStyle(node)
            .backgroundColor.match(/[\d.]+/g)
            ?.map(Number) ?? [];
        if (b !== undefined && (alpha ?? 1) > 0.5) {
          dark = luminance((r << 16) + (g << 8) + b) < 110;
          break;
        }
      }
      node = node instanceof ShadowRoot ? node.host : node.parentNode;
    }
    this.root.dataset.dark = String(dark);
  }

  close() {
    for (const observer of this.observers ?? []) observer.disconnect();
    this.themes?.disconnect();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.source.close();
    this.root.replaceChildren();
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
    this.redraw();
  }

  /** @param {Status} status */
  take(status) {
    if (status.gone) {
      this.say(status.gone);
      return;
    }
    if (status.goto !== undefined) {
      this.gotoNumber(status.goto);
      return;
    }
    if (status.lines === undefined) return;
    if (!this.status) this.options.alive?.();
    if (status.sources) this.describe(status);
    const before = this.status;
    this.status = status;
    if (status.generation !== this.generation) {
      this.generation = status.generation;
      this.forget();
    } else if (status.shown > this.total) {
      // What was cut off at the end goes on now, and so may the last line.
      const page = Math.floor(Math.max(0, this.total - 1) / PAGE_ROWS);
      this.pages.delete(page);
      this.forgetRows(page);
    }
    this.total = status.shown;
    if (status.rows && status.start !== undefined) this.keepTail(status.start, status.rows);
    this.ui.grid.setAttribute("aria-rowcount", String(this.total));
    this.caret = Math.min(this.caret, Math.max(0, this.total - 1));
    if (this.follow && !(before && before.shown === status.shown)) this.toEnd();
    this.later("marks", before ? 300 : 0, () => this.askMarks());
    this.sayStatus();
    this.drawTimeline();
    this.redraw();
    if (this.stepping) this.step(this.stepping.what, this.stepping.back, this.stepping.start);
  }

  /** @param {Status} status */
  describe(status) {
    if (status.sources && status.sources.length !== this.sources.length) {
      this.sources = status.sources;
      this.ui.sourceList.replaceChildren();
      this.sources.forEach(([name], number) => {
        const box = make("input", { type: "checkbox", checked: "", value: String(number) });
        box.addEventListener("change", () => this.narrow());
        this.ui.sourceList.append(make("label", {}, box, ` ${name}`));
      });
    }
    this.started = status.started ?? 0;
    if (this.status) return;
    if (status.search) {
      this.search = status.search;
      this.ui.searchField.value = status.search.text;
      this.ui.regexToggle.setAttribute("aria-pressed", String(status.search.regex));
      this.ui.caseToggle.setAttribute("aria-pressed", String(status.search.case));
    }
    if (status.level) this.ui.levelChoice.value = status.level;
  }

  /**
   * Take the last lines, which came unasked: a kernel that is busy may answer nothing.
   * @param {number} start
   * @param {Row[]} rows
   */
  keepTail(start, rows) {
    for (let i = 0; i < rows.length; i++) {
      const page = Math.floor((start + i) / PAGE_ROWS);
      const kept = this.pages.get(page) ?? [];
      kept[(start + i) % PAGE_ROWS] = rows[i];
      this.pages.set(page, kept);
    }
  }

  forget() {
    this.pages.clear();
    this.asked.clear();
    this.spans.clear();
    this.drawn.clear();
    this.ui.lines.replaceChildren();
  }

  /** @param {number} page */
  forgetRows(page) {
    for (const index of this.drawn.keys())
      if (Math.floor(index / PAGE_ROWS) === page) this.drawn.delete(index);
  }

  sayStatus() {
    const status = this.status;
    if (!status) return;
    const found = status.found;
    let text = "";
    if (found?.error) text = found.error;
    else if (found) {
      const more = found.is_done ? "" : "+";
      text = `${counted(found.count)}${more}`;
      if (this.nth >= 0 && found.count) text = `${counted(this.nth + 1)} of ${text}`;
      if (found.slow) text += `, ${counted(found.slow)} lines took too long`;
    }
    this.setText(this.ui.count, text);
    const parts = [`${status.phrases.join(" · ")} · ${status.state}`];
    for (const code of [6, 5, 4]) {
      const many = status.levels[code];
      if (many) parts.push(`${counted(many)} ${LEVELS[code]}${many > 1 && code < 6 ? "s" : ""}`);
    }
    if (status.scanned < status.lines && status.lines)
      parts.push(`levels ${Math.floor((100 * status.scanned) / status.lines)} %`);
    this.setText(this.ui.about, parts.join(" · "));
    this.sayPlace();
    if (status.problems.length && !found?.error) this.say(status.problems[0]);
  }

  sayPlace() {
    if (!this.status) return;
    const row = this.row(this.caret);
    const number = row ? `line ${counted(row[0])}` : "";
    const marked = Math.abs(this.caret - this.anchor) + 1;
    const parts = [number, `${counted(this.total)} of ${counted(this.status.lines)} shown`];
    if (marked > 1) parts.push(`${counted(marked)} marked`);
    this.setText(this.ui.place, parts.filter(Boolean).join(" · "));
  }

  /** @param {string} note */
  say(note) {
    this.setText(this.ui.note, note);
  }

  /**
   * @param {HTMLElement} element
   * @param {string} text
   */
  setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  // -- drawing ------------------------------------------------------------------------------

  redraw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
    // A page that nobody sees draws no frames.
    else if (document.hidden) this.later("frame", 200, () => this.draw());
  }

  /** @param {number} index @returns {Row | undefined} */
  row(index) {
    return this.pages.get(Math.floor(index / PAGE_ROWS))?.[index % PAGE_ROWS];
  }

  draw() {
    this.frame = 0;
    const view = this.ui.grid.clientHeight;
    if (!view || !this.status) return;
    this.ui.port.style.height = `${view}px`;
    this.settle(view);
    const first = Math.max(0, this.line - 4);
    const last = Math.min(this.total, this.line + Math.ceil(view / this.height) + 5);
    this.need(first, last);
    /** @type {Map<number, HTMLElement>} */
    const drawn = new Map();
    for (let index = first; index < last; index++)
      drawn.set(index, this.drawn.get(index) ?? this.element(index));
    this.drawn = drawn;
    const rows = [...drawn.values()];
    if (
      rows.length !== this.ui.lines.childElementCount ||
      rows.some((row, i) => row !== this.ui.lines.children[i])
    )
      this.ui.lines.replaceChildren(...rows);
    const one = drawn.get(this.line);
    if (one?.offsetHeight && !this.wrap) this.height = one.offsetHeight;
    if (this.wrap) this.settleWrapped(view, rows);
    const top = drawn.get(this.line)?.offsetTop ?? 0;
    this.ui.lines.style.transform = `translateY(${-(top + this.px)}px)`;
    this.mark();
    this.sayPlace();
    this.resize(view);
    this.askSpans(first, last);
  }

  /** Keep the place within the log. @param {number} view */
  settle(view) {
    const most = Math.max(0, this.total - Math.floor(view / this.height));
    if (this.wrap) {
      this.line = Math.max(0, Math.min(this.line, this.total - 1));
      return;
    }
    const end = Math.max(0, this.total * this.height - view);
    const top = Math.max(0, Math.min(this.line * this.height + this.px, end));
    this.line = Math.min(Math.floor(top / this.height), most);
    this.px = top - this.line * this.height;
  }

  /** The same with lines of any height. @param {number} view @param {HTMLElement[]} rows */
  settleWrapped(view, rows) {
    const final = rows[rows.length - 1];
    const one = this.drawn.get(this.line);
    if (final && one && this.drawn.has(this.total - 1)) {
      const end = final.offsetTop + final.offsetHeight - one.offsetTop - this.px;
      if (end < view) this.px -= view - end;
    }
    while (this.px < 0 && this.line > 0) {
      const above = this.drawn.get(this.line - 1);
      if (!above) {
        this.redraw(); // with more lines above: their heights are not known before
        return;
      }
      this.line--;
      this.px += above.offsetHeight;
    }
    this.px = Math.max(0, this.px);
    for (;;) {
      const height = this.drawn.get(this.line)?.offsetHeight ?? Infinity;
      if (this.px < height || this.line >= this.total - 1) break;
      this.px -= height;
      this.line++;
    }
  }

  /** Make the scrollbar say where we are. @param {number} view */
  resize(view) {
    const pixels = Math.max(view, Math.min(MOST_PIXELS, this.total * this.height));
    const spacer = `${pixels - view}px`;
    if (this.ui.spacer.style.height !== spacer) this.ui.spacer.style.height = spacer;
    const exact = this.isExact();
    const wanted = exact
      ? this.line * this.height + this.px
      : (this.line / Math.max(1, this.total - view / this.height)) * (pixels - view);
    const edge = this.ui.grid.scrollTop <= 0 || this.ui.grid.scrollTop >= pixels - view - 1;
    if (exact || edge) this.putTop(wanted);
    else this.later("top", 150, () => this.putTop(wanted));
  }

  isExact() {
    return !this.wrap && this.total * this.height <= MOST_PIXELS;
  }

  /** @param {number} top */
  putTop(top) {
    if (Math.abs(this.ui.grid.scrollTop - top) >= 1) this.ui.grid.scrollTop = top;
    this.lastTop = this.ui.grid.scrollTop;
  }

  scrolled() {
    const top = this.ui.grid.scrollTop;
    const moved = top - this.lastTop;
    if (!this.visible || Math.abs(moved) < 0.5) return;
    this.lastTop = top;
    const view = this.ui.grid.clientHeight;
    if (moved < 0 && this.follow) this.stopFollowing();
    if (this.isExact()) {
      this.line = Math.floor(top / this.height);
      this.px = top - this.line * this.height;
    } else if (Math.abs(moved) < 3 * view) {
      this.px += moved;
      if (!this.wrap) {
        this.line += Math.floor(this.px / this.height);
        this.px -= Math.floor(this.px / this.height) * this.height;
      }
    } else {
      const part = top / Math.max(1, this.ui.grid.scrollHeight - view);
      this.line = Math.round(part * Math.max(0, this.total - view / this.height));
      this.px = 0;
    }
    this.redraw();
  }

  /** Ask for lines that are not here, and for those that come next. */
  need(/** @type {number} */ first, /** @type {number} */ last) {
    const down = first >= this.lastFirst;
    this.lastFirst = first;
    const from = Math.floor(first / PAGE_ROWS);
    const to = Math.floor(Math.max(first, last - 1) / PAGE_ROWS);
    for (let page = from; page <= to; page++) this.ask(page);
    this.ask(down ? to + 1 : from - 1);
    for (const page of this.pages.keys()) {
      if (this.pages.size <= MOST_PAGES) break;
      if (page < from - 1 || page > to + 1) this.pages.delete(page);
    }
  }

  /** @param {number} page */
  async ask(page) {
    const start = page * PAGE_ROWS;
    const count = Math.min(PAGE_ROWS, this.total - start);
    const kept = this.pages.get(page);
    if (page < 0 || count <= 0 || this.asked.has(page)) return;
    if (kept && kept.length >= count && !kept.includes(/** @type {any} */ (undefined))) return;
    this.asked.add(page);
    const generation = this.generation;
    const reply = await this.source.ask({ do: "rows", start, count: PAGE_ROWS });
    this.asked.delete(page);
    if (!reply.rows || reply.generation !== this.generation || generation !== this.generation)
      return;
    this.pages.delete(page);
    this.pages.set(page, reply.rows);
    this.forgetRows(page);
    this.redraw();
  }

  /** @param {number} index */
  element(index) {
    const row = this.row(index);
    const element = make("div", {
      class: "fdv-row",
      role: "row",
      id: `${this.id}-${index}`,
      "aria-rowindex": String(index + 1),
    });
    if (!row) {
      element.append(make("span", { role: "gridcell", class: "fdv-x" }, "…"));
      return element;
    }
    const level = row[3];
    if (level >= 4 && level < LEVELS.length) element.classList.add(`fdv-l${level}`);
    const before = this.row(index - 1);
    if (before && this.total === this.status?.lines && before[0] + 1 !== row[0])
      element.classList.add("fdv-gap");
    const marked = this.bookmarks.has(row[0]);
    element.append(
      make("span", { role: "gridcell", class: "fdv-n" }, `${marked ? "★" : ""}${counted(row[0])}`),
    );
    const time = this.timeOf(index, row);
    if (time) element.append(make("span", { role: "gridcell", class: "fdv-t" }, time));
    const [name, isStderr] = this.sources[row[1]] ?? ["?", false];
    const mark =
      name === "stdout" || name === "stdout+stderr"
        ? ""
        : isStderr && name === "stderr"
          ? "err"
          : name;
    if (this.sources.length > 1)
      element.append(
        make(
          "span",
          { role: "gridcell", class: isStderr ? "fdv-s fdv-err" : "fdv-s", title: name },
          mark,
        ),
      );
    const text = make("span", { role: "gridcell", class: "fdv-x", dir: "ltr" });
    this.fill(text, row[4], this.spansAt(index, row));
    if (row[5] > 0) {
      const more = make("button", { type: "button", class: "fdv-more", tabindex: "-1" });
      more.textContent = `… ${counted(row[5])} bytes more`;
      more.addEventListener("click", () => this.whole(index));
      text.append(more);
    }
    element.append(text);
    return element;
  }

  /** @param {number} index @param {Row} row */
  timeOf(index, row) {
    const kind = this.ui.timeChoice.selectedIndex;
    const seconds = row[2] / 1e6;
    if (kind === 1) return `${seconds.toFixed(3)} s`;
    if (kind === 2) {
      const date = new Date(this.started + row[2] / 1000);
      const two = (/** @type {number} */ n, digits = 2) => String(n).padStart(digits, "0");
      const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => two(n));
      return `${clock.join(":")}.${two(date.getMilliseconds(), 3)}`;
    }
    if (kind !== 3) return "";
    const before = this.row(index - 1);
    return before ? `+${((row[2] - before[2]) / 1e6).toFixed(3)} s` : "–";
  }

  /**
   * Put text into an element, styled and with its matches marked.
   * @param {HTMLElement} element
   * @param {string | Run[]} content
   * @param {number[][]} spans
   */
  fill(element, content, spans) {
    /** @type {Run[]} */
    const runs = typeof content === "string" ? [[content, 0, -1, -1]] : content;
    let at = 0;
    for (const run of runs) {
      const text = run[0];
      const end = at + text.length;
      const target = typeof content === "string" ? element : this.styled(run);
      let from = at;
      for (const [start, stop] of spans) {
        const a = Math.max(start, from);
        const b = Math.min(stop, end);
        if (a >= b) continue;
        if (a > from) target.append(text.slice(from - at, a - at));
        target.append(make("mark", {}, text.slice(a - at, b - at)));
        from = b;
      }
      if (from < end) target.append(text.slice(from - at));
      if (target !== element) element.append(target);
      at = end;
    }
  }

  /** @param {Run} run */
  styled(run) {
    const element = make("span");
    const names = ["bold", "dim", "italic", "underline", "inverse", "strike"];
    names.forEach((name, i) => {
      if ((run[1] >> i) & 1) element.classList.add(`fdv-${name}`);
    });
    const kinds = /** @type {const} */ (["color", "backgroundColor"]);
    kinds.forEach((kind, i) => {
      const colour = i ? run[3] : run[2];
      if (!Number.isInteger(colour) || colour < 0 || colour >= 16 + (1 << 24)) return;
      if (colour < 16) element.classList.add(`fdv-${i ? "b" : "c"}${colour}`);
      else element.style[kind] = `#${(colour - 16).toString(16).padStart(6, "0")}`;
      if (i && colour >= 16 && run[2] < 0)
        element.classList.add(luminance(colour - 16) > 110 ? "fdv-dark" : "fdv-light");
    });
    return element;
  }

  /** Show which lines are marked, and where the caret is. */
  mark() {
    const from = Math.min(this.caret, this.anchor);
    const to = Math.max(this.caret, this.anchor);
    for (const [index, element] of this.drawn) {
      const isMarked = from !== to && index >= from && index <= to;
      element.classList.toggle("fdv-marked", isMarked);
      element.classList.toggle("fdv-caret", index === this.caret);
      element.setAttribute("aria-selected", String(isMarked || index === this.caret));
    }
    if (this.drawn.has(this.caret))
      this.ui.grid.setAttribute("aria-activedescendant", `${this.id}-${this.caret}`);
    else this.ui.grid.removeAttribute("aria-activedescendant");
  }

  async askMarks() {
    const buckets = Math.min(400, Math.max(1, Math.floor(this.options.height / 3)));
    const reply = await this.source.ask({ do: "marks", buckets });
    if (!reply.levels || reply.generation !== this.generation) return;
    const part = 100 / Math.max(1, reply.levels.length);
    /** @type {HTMLElement[]} */
    const made = [];
    reply.levels.forEach((/** @type {number} */ level, /** @type {number} */ i) => {
      const kinds = [
        level >= 4 && level < 7 ? `fdv-m${level}` : "",
        reply.matches[i] ? "fdv-mm" : "",
      ];
      for (const kind of kinds.filter(Boolean)) {
        const element = make("i", { class: kind });
        element.style.top = `${i * part}%`;
        made.push(element);
      }
    });
    this.ui.marks.replaceChildren(...made);
  }

  // -- the timeline -------------------------------------------------------------------------

  drawTimeline() {
    const timeline = this.status?.timeline;
    if (!timeline?.tracks.length || timeline === this.drawnTimeline) return;
    this.drawnTimeline = timeline;
    const totals = timeline.tracks[0].map((_, i) =>
      timeline.tracks.reduce((sum, track) => sum + (Number(track[i]) || 0), 0),
    );
    const most = Math.max(...totals, 1);
    this.ui.timeline.removeAttribute("hidden");
    this.ui.timeline.setAttribute(
      "aria-label",
      `output over ${timeline.seconds.toPrecision(3)} s; the fields "from" and "to" choose a part`,
    );
    const bars = totals.map((total) => {
      const bar = make("i");
      bar.style.height = `${total ? Math.max(6, 100 * Math.sqrt(total / most)) : 0}%`;
      return bar;
    });
    this.ui.timeline.replaceChildren(...bars, this.ui.brushed);
  }

  brush() {
    let from = -1;
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.ui.timeline.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    };
    this.ui.timeline.addEventListener("pointerdown", (event) => {
      from = at(event);
      this.ui.timeline.setPointerCapture(event.pointerId);
    });
    this.ui.timeline.addEventListener("pointermove", (event) => {
      if (from >= 0) this.showBrush(from, at(event));
    });
    this.ui.timeline.addEventListener("pointerup", (event) => {
      const timeline = this.status?.timeline;
      const to = at(event);
      const start = from;
      from = -1;
      if (!timeline || start < 0) return;
      const seconds = [start, to]
        .sort((a, b) => a - b)
        .map((x) => timeline.start + x * timeline.seconds);
      if (Math.abs(to - start) < 0.005) {
        this.ui.brushed.setAttribute("hidden", "");
        this.gotoSeconds(seconds[0]);
      } else this.setRange(seconds);
    });
  }

  /** @param {number} from @param {number} to */
  showBrush(from, to) {
    this.ui.brushed.removeAttribute("hidden");
    this.ui.brushed.style.left = `${100 * Math.min(from, to)}%`;
    this.ui.brushed.style.width = `${100 * Math.abs(to - from)}%`;
  }

  /** @param {number[] | null} range */
  setRange(range) {
    this.range = range;
    const digits = range && range[1] - range[0] < 1 ? 6 : 3;
    this.ui.fromField.value = range && Number.isFinite(range[0]) ? range[0].toFixed(digits) : "";
    this.ui.toField.value = range && Number.isFinite(range[1]) ? range[1].toFixed(digits) : "";
    const timeline = this.status?.timeline;
    if (range && timeline?.seconds) {
      const part = range.map((x) =>
        Math.min(1, Math.max(0, (x - timeline.start) / timeline.seconds)),
      );
      this.showBrush(part[0], part[1]);
    } else this.ui.brushed.setAttribute("hidden", "");
    this.narrow();
  }

  typedRange() {
    const [from, to] = [this.ui.fromField, this.ui.toField].map((field) =>
      Number.parseFloat(field.value),
    );
    if (Number.isNaN(from) && Number.isNaN(to)) this.range = null;
    else this.range = [Number.isNaN(from) ? -Infinity : from, Number.isNaN(to) ? Infinity : to];
    this.narrow();
  }

  // -- asking -------------------------------------------------------------------------------

  /** @param {HTMLElement} toggle */
  isOn(toggle) {
    return toggle.getAttribute("aria-pressed") === "true";
  }

  /** @returns {Pattern | null} */
  typed() {
    const text = this.ui.searchField.value;
    if (!text) return null;
    return { text, regex: this.isOn(this.ui.regexToggle), case: this.isOn(this.ui.caseToggle) };
  }

  async searchFor() {
    clearTimeout(this.timers.search);
    const pattern = this.typed();
    if (JSON.stringify(pattern) === JSON.stringify(this.search)) return;
    this.search = pattern;
    this.nth = -1;
    this.stepping = null;
    this.spans.clear();
    this.drawn.clear();
    this.take(await this.source.ask({ do: "search", pattern }));
  }

  searchWithin() {
    if (!this.search) return;
    this.within.push(this.search);
    this.ui.searchField.value = "";
    this.search = null;
    this.nth = -1;
    this.source.ask({ do: "search", pattern: null });
    this.narrow();
    this.ui.searchField.focus();
  }

  async narrow() {
    const boxes = /** @type {HTMLInputElement[]} */ ([
      ...this.ui.sourceList.querySelectorAll("input"),
    ]);
    const chosen = boxes.filter((box) => box.checked).map((box) => Number(box.value));
    const sources = chosen.length === boxes.length ? null : chosen;
    const exclude = this.ui.excludeField.value;
    const level = this.ui.levelChoice.selectedIndex ? this.ui.levelChoice.value : null;
    const range = this.range?.map((x) => (Number.isFinite(x) ? x : null)) ?? [null, null];
    const context = Math.min(1000, Math.max(0, Math.round(Number(this.ui.context.value) || 0)));
    const number = this.row(this.caret)?.[0];
    this.drawChips();
    const status = await this.source.ask({
      do: "filter",
      level,
      sources,
      exclude: exclude ? [{ text: exclude, regex: false, case: false }] : [],
      within: this.within,
      only: this.isOn(this.ui.onlyToggle),
      context,
      first: range[0],
      last: range[1],
    });
    if (status.error) this.say(status.error);
    else this.say("");
    this.take(status);
    this.nth = -1;
    if (this.follow) this.toEnd();
    else if (number !== undefined) this.gotoNumber(number);
  }

  drawChips() {
    /** @type {(text: string, drop: () => void) => HTMLElement} */
    const chip = (text, drop) => {
      const made = make("button", { type: "button", title: "take this away" }, `${text} ✕`);
      made.addEventListener("click", drop);
      return made;
    };
    const made = this.within.map((pattern, i) =>
      chip(pattern.text, () => {
        this.within.splice(i, 1);
        this.narrow();
      }),
    );
    if (this.range) made.push(chip("time", () => this.setRange(null)));
    this.ui.chips.replaceChildren(...made);
  }

  /**
   * Go to the next match or error, or the previous one; wait for the scan if it has not got there.
   * @param {string} what
   * @param {boolean} back
   * @param {number} [start]
   */
  async step(what, back, start = this.caret) {
    if (what === "match") await this.searchFor(); // what was typed just now
    if (what === "match" && !this.search) return;
    this.stepping = null;
    const chosen = this.ui.levelChoice.selectedIndex ? this.ui.levelChoice.value : "error";
    const fresh = what === "match" && this.nth < 0 && !back && start === this.caret;
    const reply = await this.source.ask({
      do: "step",
      what,
      back,
      start: fresh ? start - 1 : start,
      level: chosen,
    });
    if (reply.index === null || reply.index === undefined) {
      if (reply.is_done === false) this.stepping = { what, back, start };
      const noun = what === "match" ? "match" : "line of this level";
      this.say(
        reply.is_done === false ? "looking …" : `no ${back ? "earlier" : "further"} ${noun}`,
      );
      return;
    }
    this.say("");
    this.nth = what === "match" ? reply.nth : this.nth;
    this.goto(reply.index, true);
    this.sayStatus();
  }

  /** @param {number} index @param {Row | undefined} row */
  spansAt(index, row = this.row(index)) {
    if (!this.search || !row) return [];
    if (this.search.regex && !this.source.canMatch) return this.spans.get(index) ?? [];
    if (this.search.regex) return this.matchesOf(plain(row[4]), this.search);
    return spansOf(plain(row[4]), this.search);
  }

  /** @param {string} text @param {Pattern} pattern */
  matchesOf(text, pattern) {
    try {
      const expression = new RegExp(pattern.text, pattern.case ? "gu" : "giu");
      const found = [...text.slice(0, 2000).matchAll(expression)].slice(0, 200);
      return found.map((match) => [match.index, match.index + match[0].length]);
    } catch {
      return [];
    }
  }

  /** Where an expression matches only the kernel can tell. */
  async askSpans(/** @type {number} */ first, /** @type {number} */ last) {
    if (!this.search?.regex || this.source.canMatch || this.askingSpans) return;
    const indices = [];
    for (let index = first; index < last; index++)
      if (!this.spans.has(index) && this.row(index)) indices.push(index);
    if (!indices.length) return;
    const texts = indices.map((index) => plain(/** @type {Row} */ (this.row(index))[4]));
    const [search, generation] = [this.search, this.generation];
    this.askingSpans = true;
    const reply = await this.source.ask({ do: "spans", texts });
    this.askingSpans = false;
    if (search !== this.search || generation !== this.generation) return;
    indices.forEach((index, i) => {
      this.spans.set(index, reply.spans?.[i] ?? []);
      this.drawn.delete(index);
    });
    this.redraw();
  }

  // -- moving -------------------------------------------------------------------------------

  /** @param {number} index @param {boolean} [centre] @param {boolean} [extend] */
  goto(index, centre = false, extend = false) {
    this.caret = Math.max(0, Math.min(index, this.total - 1));
    if (!extend) this.anchor = this.caret;
    const view = this.ui.grid.clientHeight;
    const rows = Math.max(1, Math.floor(view / this.height));
    const element = this.drawn.get(this.caret);
    const box = element?.getBoundingClientRect();
    const port = this.ui.port.getBoundingClientRect();
    const isSeen = box && box.top >= port.top - 1 && box.bottom <= port.bottom - 1;
    if (!isSeen) {
      let offset = centre ? Math.floor(rows / 3) : this.caret > this.line ? rows - 2 : 0;
      if (this.wrap) offset = 0;
      this.line = Math.max(0, this.caret - Math.max(0, offset));
      this.px = 0;
    }
    this.later("select", 150, () => {
      const from = Math.min(this.caret, this.anchor);
      this.source.ask({ do: "select", start: from, stop: Math.max(this.caret, this.anchor) + 1 });
    });
    this.sayPlace();
    this.redraw();
  }

  toEnd() {
    const rows = this.wrap ? 1 : Math.floor(this.ui.grid.clientHeight / this.height);
    this.line = Math.max(0, this.total - rows);
    this.px = 0;
    this.caret = this.anchor = Math.max(0, this.total - 1);
    this.redraw();
  }

  /** @param {number} number */
  async gotoNumber(number) {
    const reply = await this.source.ask({ do: "locate", number });
    if (typeof reply.index === "number") this.goto(reply.index, true);
  }

  /** @param {number} seconds */
  async gotoSeconds(seconds) {
    const reply = await this.source.ask({ do: "locate", seconds });
    if (typeof reply.index === "number") this.goto(reply.index, true);
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.target !== this.ui.grid || event.altKey) return;
    const page = Math.max(1, Math.floor(this.ui.grid.clientHeight / this.height) - 1);
    const extend = event.shiftKey;
    if (event.ctrlKey || event.metaKey) {
      if (event.key !== "a") return;
      this.anchor = 0;
      this.goto(this.total - 1, false, true);
      event.preventDefault();
      return;
    }
    /** @type {{[key: string]: () => void}} */
    const keys = {
      "/": () => this.ui.searchField.select(),
      n: () => this.step("match", false),
      N: () => this.step("match", true),
      e: () => this.step("level", false),
      E: () => this.step("level", true),
      g: () => this.move(-this.total),
      G: () => this.move(this.total),
      Home: () => this.move(-this.total, extend),
      End: () => this.move(this.total, extend),
      j: () => this.move(1),
      k: () => this.move(-1),
      J: () => this.move(1, true),
      K: () => this.move(-1, true),
      ArrowDown: () => this.move(1, extend),
      ArrowUp: () => this.move(-1, extend),
      PageDown: () => this.move(page, extend),
      PageUp: () => this.move(-page, extend),
      " ": () => this.move(extend ? -page : page),
      ArrowRight: () => this.ui.port.scrollBy(80, 0),
      ArrowLeft: () => this.ui.port.scrollBy(-80, 0),
      w: () => this.ui.wrapToggle.click(),
      f: () => this.ui.followToggle.click(),
      t: () => {
        this.ui.timeChoice.selectedIndex = (this.ui.timeChoice.selectedIndex + 1) % 4;
        this.drawn.clear();
        this.redraw();
      },
      c: () => this.copy(),
      m: () => this.bookmark(),
      b: () => this.stepBookmark(false),
      B: () => this.stepBookmark(true),
      x: () => this.whole(this.caret),
      "?": () => this.ui.help.toggleAttribute("hidden"),
      Escape: () => this.goto(this.caret),
    };
    const work = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
    if (!work) return;
    event.preventDefault();
    work();
  }

  /** @param {number} by @param {boolean} [extend] */
  move(by, extend = false) {
    if (by < 0) this.stopFollowing();
    this.goto(this.caret + by, false, extend);
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const row = event.target instanceof Element ? event.target.closest(".fdv-row") : null;
    if (!row || event.target instanceof HTMLButtonElement) return;
    if (!event.shiftKey && String(getSelection())) return; // text is being marked
    const index = Number(row.id.slice(this.id.length + 1));
    if (Number.isInteger(index)) this.goto(index, false, event.shiftKey);
  }

  setWrap() {
    this.wrap = this.isOn(this.ui.wrapToggle);
    this.root.classList.toggle("fdv-wrap", this.wrap);
    this.px = 0;
    if (this.drawn.has(this.caret)) this.line = this.caret;
    this.redraw();
  }

  setFollow() {
    this.follow = this.isOn(this.ui.followToggle);
    this.source.ask({ do: "follow", on: this.follow });
    if (this.follow) this.toEnd();
  }

  stopFollowing() {
    if (this.follow) this.ui.followToggle.click();
  }

  bookmark() {
    const number = this.row(this.caret)?.[0];
    if (number === undefined) return;
    if (!this.bookmarks.delete(number)) this.bookmarks.add(number);
    this.drawn.delete(this.caret);
    this.redraw();
  }

  /** @param {boolean} back */
  stepBookmark(back) {
    const here = this.row(this.caret)?.[0] ?? 0;
    const sorted = [...this.bookmarks].sort((a, b) => a - b);
    const next = back ? sorted.filter((n) => n < here).pop() : sorted.find((n) => n > here);
    if (next === undefined) this.say(`no ${back ? "earlier" : "further"} bookmark`);
    else this.gotoNumber(next);
  }

  /** Show a line whole. @param {number} index */
  async whole(index) {
    const row = this.row(index);
    if (!row || row[5] <= 0) return;
    const reply = await this.source.ask({ do: "line", number: row[0] });
    const kept = this.row(index);
    if (!reply.row || !kept || kept[0] !== row[0]) return;
    [kept[4], kept[5]] = [reply.row[4], reply.row[5]];
    this.drawn.delete(index);
    this.redraw();
  }

  // -- taking away --------------------------------------------------------------------------

  /**
   * Return the text of shown lines.
   * @param {number} start
   * @param {number} stop
   * @param {number} most characters
   */
  async text(start, stop, most) {
    const parts = [];
    let size = 0;
    while (start < stop && size < most) {
      const reply = await this.source.ask({ do: "text", start, stop });
      if (typeof reply.text !== "string" || !(reply.next > start)) break;
      parts.push(reply.text);
      size += reply.text.length;
      start = reply.next;
      this.say(`${counted(start)} lines …`);
    }
    this.say(start < stop ? `cut after ${counted(start)} lines` : "");
    return parts;
  }

  async copy() {
    const marked = this.caret !== this.anchor || this.root.querySelector(":focus") === this.ui.grid;
    const from = marked ? Math.min(this.caret, this.anchor) : 0;
    const to = marked ? Math.max(this.caret, this.anchor) + 1 : this.total;
    const text = (await this.text(from, to, MOST_COPIED)).join("");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = /** @type {HTMLTextAreaElement} */ (make("textarea", { class: "fdv-area" }));
      area.value = text;
      this.root.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      this.ui.grid.focus();
    }
    if (!this.ui.note.textContent) this.say(`copied ${counted(to - from)} lines`);
  }

  async save() {
    const parts = await this.text(0, this.total, MOST_SAVED);
    const link = /** @type {HTMLAnchorElement} */ (make("a", { download: "log.txt" }));
    link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
}
