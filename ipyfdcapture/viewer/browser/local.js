// The source of a saved page: it answers from the page itself what the kernel would.

import { Blocks, lowerBound, unpack } from "./blocks.js";
import { clamp } from "./elements.js";
import { expressionOf, plain, spansOf } from "./pattern.js";
import { pause } from "./pause.js";
import { LEVELS, restOf } from "./row.js";

/** @import {Found, Pattern, Request, Row, Source, Timeline} from "./types" */

/**
 * @typedef {{lines: number, blocks: number[], sources: [string, boolean][], started: number,
 *   phrases: string[], state: string, timeline: Timeline | null}} Meta
 */

/** Characters of an answer. */
const MOST_CHARACTERS = 1e6;

/** @implements {Source} */
export class LocalSource {
  /** @type {Meta} */
  meta = JSON.parse(document.getElementById("fdv-meta")?.textContent ?? "{}");
  total = this.meta.lines;
  blocks = new Blocks(this.meta.blocks);
  // Of each line; a position counts all lines, an index those that are shown.
  levels = new Uint8Array(0);
  owners = new Uint16Array(0);
  numbers = new Uint32Array(0);
  times = new Float64Array(0);
  /** @type {Uint8Array} */
  hits = new Uint8Array(0);
  /** Positions; null: all. @type {Uint32Array | null} */
  shown = null;
  generation = 0;
  /** What is searched for. @type {Pattern | null} */
  pattern = null;
  /** @type {Found | null} */
  found = null;
  /** The filter that was asked for last. @type {Request | null} */
  wanted = null;
  /** @type {(status: any) => void} */
  hear = () => {};
  counts = LEVELS.map(() => 0);
  ready = this.readIndex();

  async readIndex() {
    const n = this.total;
    const buffer = await (await unpack("fdv-index")).arrayBuffer();
    this.times = new Float64Array(buffer, 0, n);
    this.numbers = new Uint32Array(buffer, 8 * n, n);
    this.owners = new Uint16Array(buffer, 12 * n, n);
    this.levels = new Uint8Array(buffer, 14 * n, n);
    this.hits = new Uint8Array(n);
    for (const level of this.levels) this.counts[level]++;
    this.counts[0] = 0;
  }

  /** @param {(status: any) => void} hear */
  listen(hear) {
    this.hear = hear;
  }

  close() {}

  /** @param {Row} row @param {Pattern} pattern */
  spansOf(row, pattern) {
    return spansOf(plain(row[4]), pattern);
  }

  get count() {
    return this.shown ? this.shown.length : this.total;
  }

  /** @param {number} index */
  position(index) {
    return this.shown ? this.shown[index] : index;
  }

  /** @param {number} position */
  index(position) {
    return this.shown ? lowerBound(this.shown, position) : position;
  }

  /** @param {number} index @returns {Promise<Row>} */
  async row(index) {
    const position = this.position(index);
    const number = this.blocks.of(position);
    const block = await this.blocks.get(number);
    const at = position - this.blocks.firsts[number];
    return [
      this.numbers[position],
      this.owners[position],
      this.times[position],
      this.levels[position],
      block.rows[at],
      block.cut[at] ?? 0,
    ];
  }

  status() {
    return {
      ...this.meta,
      generation: this.generation,
      shown: this.count,
      is_complete: true,
      levels: this.counts,
      scanned: this.total,
      found: this.found,
      problems: [],
    };
  }

  /** Answer by the method of the request's name, or else with how things stand. @param {Request} request @returns {Promise<any>} */
  async ask(request) {
    await this.ready;
    const answer = /** @type {any} */ (this)[request.do] ?? this.status;
    return answer.call(this, request);
  }

  /** @param {Request} request */
  async rows({ start, count }) {
    const { generation } = this;
    const rows = [];
    const stop = Math.min(this.count, start + count);
    for (let index = start; index < stop; index++) rows.push(await this.row(index));
    return { generation, start, rows };
  }

  /** @param {Request} request */
  async text({ start, stop }) {
    let text = "";
    let next = start;
    for (; next < Math.min(stop, this.count) && text.length < MOST_CHARACTERS; next++) {
      const row = await this.row(next);
      text += `${plain(row[4])}${restOf(row)}\n`;
    }
    return { text, next };
  }

  /** @param {Request} request */
  locate({ number, seconds }) {
    const found =
      number === undefined
        ? this.times.findIndex((time) => time >= seconds * 1e6)
        : lowerBound(this.numbers, number);
    const position = found < 0 ? this.total : found;
    return { index: clamp(this.index(position), this.count - 1) };
  }

  // -- the search ---------------------------------------------------------------------------

  /**
   * Note which lines match, a byte a line.
   * @param {Pattern} pattern
   * @param {Uint8Array} hits
   * @param {(looked: number) => boolean} report tells whether to go on
   */
  async scan(pattern, hits, report) {
    const expression = expressionOf(pattern);
    let due = performance.now() + 50;
    for (const [number, first] of this.blocks.firsts.entries()) {
      const { rows } = await this.blocks.get(number);
      rows.forEach((content, i) => {
        expression.lastIndex = 0;
        if (expression.test(plain(content))) hits[first + i] = 1;
      });
      if (performance.now() < due) continue;
      await pause(0);
      if (!report(first + rows.length)) break;
      due = performance.now() + 100;
    }
  }

  /** @param {Request} request */
  search({ pattern }) {
    this.pattern = pattern;
    this.hits = new Uint8Array(this.total);
    this.found = null;
    if (pattern) this.look(pattern);
    else if (this.wanted?.only) return this.filter(this.wanted);
    return this.counted();
  }

  /** @param {Pattern} pattern */
  async look(pattern) {
    const found = { count: 0, hidden: 0, looked: 0, is_done: false, slow: 0, error: "" };
    this.found = found;
    try {
      await this.scan(pattern, this.hits, (looked) => {
        if (found !== this.found) return false;
        found.looked = looked;
        this.hear(this.counted());
        return true;
      });
    } catch (error) {
      found.error = String(error);
    }
    if (found !== this.found) return;
    found.is_done = true;
    this.hear(this.wanted?.only ? await this.filter(this.wanted) : this.counted());
  }

  /** Return how things stand, with the matches counted. */
  counted() {
    const { found, hits } = this;
    if (found) {
      found.count = 0;
      for (let index = 0; index < this.count; index++) found.count += hits[this.position(index)];
      found.hidden = hits.reduce((many, hit) => many + hit, -found.count);
    }
    return this.status();
  }

  /** @param {Request} request */
  step({ what, back, start, level }) {
    const isMatch = what === "match";
    const least = LEVELS.indexOf(level);
    const by = back ? -1 : 1;
    const meets = (/** @type {number} */ index) => {
      const position = this.position(index);
      return isMatch ? this.hits[position] : this.levels[position] >= least;
    };
    let index = start + by;
    while (index >= 0 && index < this.count && !meets(index)) index += by;
    if (index < 0 || index >= this.count)
      return { index: null, is_done: !isMatch || (this.found?.is_done ?? true) };
    let nth = 0;
    for (let i = 0; i < index; i++) if (meets(i)) nth++;
    return { index, nth, is_done: true };
  }

  // -- what is shown ------------------------------------------------------------------------

  /** @param {Request} wanted */
  async filter(wanted) {
    this.wanted = wanted;
    const least = LEVELS.indexOf(wanted.level ?? "");
    const sources = wanted.sources && new Set(wanted.sources);
    const first = (wanted.first ?? -Infinity) * 1e6;
    const last = (wanted.last ?? Infinity) * 1e6;
    const isWanted = () => this.wanted === wanted;
    const meets = new Uint8Array(this.total).fill(1);
    for (const pattern of [...wanted.exclude, ...wanted.within]) {
      const left = wanted.exclude.includes(pattern) ? 1 : 0;
      const hits = new Uint8Array(this.total);
      await this.scan(pattern, hits, isWanted);
      if (!isWanted()) return {};
      hits.forEach((hit, i) => {
        meets[i] &= hit ^ left;
      });
    }
    const near = wanted.only && this.pattern && this.near(wanted.context);
    const all = this.numbers.map((_, i) => i);
    const shown = all.filter(
      (i) =>
        meets[i] &&
        this.levels[i] >= least &&
        (!sources || sources.has(this.owners[i])) &&
        this.times[i] >= first &&
        this.times[i] <= last &&
        (!near || near[i]),
    );
    this.shown = shown.length === this.total ? null : shown;
    this.generation++;
    return this.counted();
  }

  /** Return which lines are near a match, a byte a line. @param {number} context */
  near(context) {
    const near = new Uint8Array(this.total);
    this.hits.forEach((hit, i) => {
      if (hit) near.fill(1, Math.max(0, i - context), i + context + 1);
    });
    return near;
  }

  /** @param {Request} request */
  marks(request) {
    const buckets = Math.min(request.buckets, this.count);
    const levels = new Array(buckets).fill(0);
    const matches = new Array(buckets).fill(false);
    for (let index = 0; index < this.count; index++) {
      const position = this.position(index);
      const bucket = Math.floor((index * buckets) / this.count);
      levels[bucket] = Math.max(levels[bucket], this.levels[position]);
      if (this.hits[position]) matches[bucket] = true;
    }
    return { generation: this.generation, levels, matches };
  }
}
