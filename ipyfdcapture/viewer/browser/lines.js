// The lines that are here, of those that are shown: asked for in pages, ahead of the reader.

/** @import {Row, Source, Status} from "./types" */

const PAGE_ROWS = 200;
const MOST_PAGES = 50;

export class Lines {
  /** How many are shown. */
  total = 0;
  generation = 0;
  /** @type {Map<number, Row[]>} */
  pages = new Map();
  /** What is being asked for, by page. @type {Map<number, Promise<void>>} */
  asked = new Map();

  /** @param {Source} source @param {() => void} changed */
  constructor(source, changed) {
    this.source = source;
    this.changed = changed;
  }

  /** @param {number} index @returns {Row | undefined} */
  get(index) {
    return this.pages.get(pageOf(index))?.[index % PAGE_ROWS];
  }

  /** Return a line once it is here; nothing if other lines are shown by then. @param {number} index */
  async row(index) {
    const { generation } = this;
    if (!this.get(index)) await this.ask(pageOf(index));
    return generation === this.generation ? this.get(index) : undefined;
  }

  /** Learn how many there are, and whether they are others than before. @param {Status} status */
  take(status) {
    if (status.generation !== this.generation) {
      this.generation = status.generation;
      this.pages.clear();
      this.asked.clear();
    } else if (status.shown > this.total)
      // What was cut off at the end goes on now, and so may the last line.
      this.pages.delete(pageOf(this.total - 1));
    this.total = status.shown;
    // The last lines come unasked: a kernel that is busy may answer nothing.
    status.rows?.forEach((row, i) => {
      const index = /** @type {number} */ (status.start) + i;
      const page = pageOf(index);
      const kept = this.pages.get(page) ?? [];
      kept[index % PAGE_ROWS] = row;
      this.pages.set(page, kept);
    });
  }

  /** Ask for lines that are not here, and for those around them. */
  need(/** @type {number} */ first, /** @type {number} */ last) {
    const from = pageOf(first);
    const to = pageOf(Math.max(first, last - 1));
    for (let page = from; page <= to; page++) this.ask(page);
    this.ask(to + 1);
    this.ask(from - 1);
    for (const page of this.pages.keys()) {
      if (this.pages.size <= MOST_PAGES) break;
      if (page < from - 1 || page > to + 1) this.pages.delete(page);
    }
  }

  /** Ask for a page, unless it is here; resolves once it is. @param {number} page */
  async ask(page) {
    const count = Math.min(PAGE_ROWS, this.total - page * PAGE_ROWS);
    const kept = this.pages.get(page);
    if (page < 0 || count <= 0) return;
    if (kept && kept.length >= count && !kept.includes(/** @type {any} */ (undefined))) return;
    if (!this.asked.has(page)) this.asked.set(page, this.load(page));
    await this.asked.get(page);
  }

  /** @param {number} page */
  async load(page) {
    const { generation } = this;
    const start = page * PAGE_ROWS;
    const reply = await this.source.ask({ do: "rows", start, count: PAGE_ROWS });
    if (generation === this.generation) this.asked.delete(page);
    if (!reply.rows || reply.generation !== this.generation) return;
    // What is asked for last is forgotten last.
    this.pages.delete(page);
    this.pages.set(page, reply.rows);
    this.changed();
  }

  /** Have the whole of a line that was cut. @param {number} index */
  async whole(index) {
    const row = await this.row(index);
    if (!row || row[5] <= 0) return;
    const reply = await this.source.ask({ do: "line", number: row[0] });
    const page = this.pages.get(pageOf(index));
    if (!reply.row || !page || this.get(index)?.[0] !== row[0]) return;
    page[index % PAGE_ROWS] = reply.row;
    this.changed();
  }
}

/** Return the page that a line is on. @param {number} index */
function pageOf(index) {
  return Math.floor(index / PAGE_ROWS);
}
