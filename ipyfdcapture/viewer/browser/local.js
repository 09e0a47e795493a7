// The source of a saved page: the log is in the page itself, compressed, a few thousand lines a
// block. It answers what the kernel would.

/**
 * @typedef {{lines: number, blocks: number[], sources: [string, boolean][], started: number,
 *   phrases: string[], state: string, timeline: Timeline | null}} Meta
 */

/** @param {HTMLElement} element */
async function unpack(element) {
  const text = atob(element.textContent ?? "");
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** @implements {Source} */
class LocalSource {
  constructor() {
    this.canMatch = true;
    this.meta = /** @type {Meta} */ (
      JSON.parse(document.getElementById("fdv-meta")?.textContent ?? "{}")
    );
    this.total = this.meta.lines;
    /** @type {Map<number, {rows: (string | Run[])[], cut: {[row: string]: number}}>} */
    this.kept = new Map();
    /** @type {number[]} */
    this.firsts = [];
    let first = 0;
    for (const count of this.meta.blocks) {
      this.firsts.push(first);
      first += count;
    }
    this.levels = new Uint8Array(0);
    this.owners = new Uint16Array(0);
    this.numbers = new Uint32Array(0);
    this.times = new Float64Array(0);
    /** @type {Uint32Array | null} */
    this.shown = null;
    this.generation = 0;
    /** @type {Pattern | null} */
    this.search = null;
    /** @type {Found | null} */
    this.found = null;
    /** @type {Uint8Array} */
    this.hits = new Uint8Array(0);
    /** @type {(status: any) => void} */
    this.hear = () => {};
    this.counts = [0, 0, 0, 0, 0, 0, 0];
    this.ready = this.readIndex();
  }

  /** @param {string} id @returns {Promise<HTMLElement>} */
  async element(id) {
    for (;;) {
      const found = document.getElementById(id);
      // What comes after it is there: so it is whole.
      if (found && (found.nextSibling || document.readyState !== "loading")) return found;
      await new Promise((go) => setTimeout(go, 10));
    }
  }

  async readIndex() {
    const buffer = await unpack(await this.element("fdv-index"));
    const n = this.total;
    this.times = new Float64Array(buffer, 0, n);
    this.numbers = new Uint32Array(buffer, 8 * n, n);
    this.owners = new Uint16Array(buffer, 12 * n, n);
    this.levels = new Uint8Array(buffer, 14 * n, n);
    for (const level of this.levels) this.counts[level]++;
    this.counts[0] = 0;
  }

  /** @param {(status: any) => void} hear */
  listen(hear) {
    this.hear = hear;
  }

  tell() {}

  close() {}

  /** @param {number} block */
  async block(block) {
    let found = this.kept.get(block);
    if (!found) {
      const buffer = await unpack(await this.element(`fdv-${block}`));
      found = JSON.parse(new TextDecoder().decode(buffer));
    }
    if (!found) throw new Error("no such block");
    this.kept.delete(block);
    this.kept.set(block, found);
    for (const old of this.kept.keys()) {
      if (this.kept.size <= 20) break;
      this.kept.delete(old);
    }
    return found;
  }

  /** @param {number} position */
  blockOf(position) {
    let low = 0;
    let high = this.firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.firsts[middle] <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  count() {
    return this.shown ? this.shown.length : this.total;
  }

  /** @param {number} index */
  position(index) {
    return this.shown ? this.shown[index] : index;
  }

  /** @param {number} position where it is, or would be, in what is shown */
  index(position) {
    if (!this.shown) return position;
    let low = 0;
    let high = this.shown.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.shown[middle] < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {number} position @returns {Promise<Row>} */
  async row(position) {
    const number = this.blockOf(position);
    const block = await this.block(number);
    const at = position - this.firsts[number];
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
      generation: this.generation,
      lines: this.total,
      shown: this.count(),
      filtered: this.total,
      is_complete: true,
      state: this.meta.state,
      phrases: this.meta.phrases,
      levels: this.counts,
      scanned: this.total,
      found: this.found,
      timeline: this.meta.timeline,
      problems: [],
      sources: this.meta.sources,
      started: this.meta.started,
    };
  }

  /** @param {Message} message @returns {Promise<any>} */
  async ask(message) {
    await this.ready;
    switch (message.do) {
      case "rows": {
        const rows = [];
        const stop = Math.min(this.count(), message.start + message.count);
        const generation = this.generation;
        for (let index = message.start; index < stop; index++)
          rows.push(await this.row(this.position(index)));
        return { generation, start: message.start, rows };
      }
      case "text": {
        let text = "";
        let next = message.start;
        const stop = Math.min(message.stop, this.count());
        for (; next < stop && text.length < 1e6; next++)
          text += `${plain((await this.row(this.position(next)))[4])}\n`;
        return { text, next };
      }
      case "search":
        this.search = message.pattern;
        await this.look();
        return this.status();
      case "filter":
        return this.filter(message);
      case "step":
        return this.step(message);
      case "marks":
        return this.marksOf(Math.min(message.buckets, this.count()));
      case "locate": {
        let position = 0;
        const wanted = message.number ?? message.seconds * 1e6;
        const column = message.number === undefined ? this.times : this.numbers;
        position = column.findIndex((/** @type {number} */ value) => value >= wanted);
        if (position < 0) position = this.total;
        return { index: Math.max(0, Math.min(this.index(position), this.count() - 1)) };
      }
      default:
        return this.status();
    }
  }

  /** @param {Pattern} pattern @returns {(text: string) => boolean} */
  matcher(pattern) {
    if (pattern.regex) {
      const expression = new RegExp(pattern.text, pattern.case ? "u" : "iu");
      return (text) => expression.test(text);
    }
    if (pattern.case) return (text) => text.includes(pattern.text);
    const needle = pattern.text.toLowerCase();
    return (text) => text.toLowerCase().includes(needle);
  }

  /**
   * Return which lines match, a byte a line.
   * @param {Pattern} pattern
   * @param {(found: Uint8Array, looked: number) => boolean} report tells whether to go on
   */
  async scan(pattern, report) {
    const matches = this.matcher(pattern);
    const found = new Uint8Array(this.total);
    let due = performance.now() + 50;
    for (let number = 0; number < this.firsts.length; number++) {
      const block = await this.block(number);
      const first = this.firsts[number];
      block.rows.forEach((content, i) => {
        if (matches(plain(content))) found[first + i] = 1;
      });
      if (performance.now() > due) {
        due = performance.now() + 100;
        await new Promise((go) => setTimeout(go));
        if (!report(found, first + block.rows.length)) break;
      }
    }
    return found;
  }

  async look() {
    const search = this.search;
    this.hits = new Uint8Array(this.total);
    this.found = null;
    if (!search) return;
    const found = { count: 0, looked: 0, is_done: false, slow: 0, error: "" };
    this.found = found;
    const report = (/** @type {Uint8Array} */ hits, /** @type {number} */ looked) => {
      if (search !== this.search) return false;
      this.hits = hits;
      found.looked = looked;
      found.count = this.countHits();
      this.hear(this.status());
      return true;
    };
    try {
      const hits = await this.scan(search, report);
      if (search !== this.search) return;
      this.hits = hits;
    } catch (error) {
      found.error = String(error);
    }
    found.count = this.countHits();
    found.looked = this.total;
    found.is_done = true;
    if (this.last?.only) await this.filter(this.last);
  }

  countHits() {
    let count = 0;
    if (this.shown) for (const position of this.shown) count += this.hits[position];
    else for (const hit of this.hits) count += hit;
    return count;
  }

  /** @param {Message} wanted */
  async filter(wanted) {
    this.last = wanted;
    const keep = new Uint8Array(this.total).fill(1);
    const least = wanted.level ? LEVELS.indexOf(wanted.level) : 0;
    const sources = wanted.sources && new Set(wanted.sources);
    const first = wanted.first === null ? -Infinity : wanted.first * 1e6;
    const last = wanted.last === null ? Infinity : wanted.last * 1e6;
    for (const [patterns, value] of [
      [wanted.exclude, 1],
      [wanted.within, 0],
    ])
      for (const pattern of patterns) {
        const found = await this.scan(pattern, () => this.last === wanted);
        for (let i = 0; i < this.total; i++) if (found[i] === value) keep[i] = 0;
      }
    if (this.last !== wanted) return this.status();
    const near = wanted.only && this.search ? this.near(wanted.context) : null;
    const shown = [];
    for (let i = 0; i < this.total; i++)
      if (
        keep[i] &&
        this.levels[i] >= least &&
        (!sources || sources.has(this.owners[i])) &&
        this.times[i] >= first &&
        this.times[i] <= last &&
        (!near || near[i])
      )
        shown.push(i);
    this.shown = shown.length === this.total ? null : Uint32Array.from(shown);
    this.generation++;
    if (this.found) this.found.count = this.countHits();
    return this.status();
  }

  /** @param {number} context */
  near(context) {
    const near = new Uint8Array(this.total);
    this.hits.forEach((hit, i) => {
      if (hit) near.fill(1, Math.max(0, i - context), i + context + 1);
    });
    return near;
  }

  /** @param {Message} wanted */
  step(wanted) {
    const least = LEVELS.indexOf(wanted.level);
    const by = wanted.back ? -1 : 1;
    const isMatch = wanted.what === "match";
    const meets = (/** @type {number} */ index) => {
      const position = this.position(index);
      return isMatch ? this.hits[position] : this.levels[position] >= least;
    };
    let index = wanted.start + by;
    while (index >= 0 && index < this.count() && !meets(index)) index += by;
    if (index < 0 || index >= this.count())
      return { index: null, is_done: this.found?.is_done ?? true };
    let nth = 0;
    if (isMatch) for (let i = 0; i < index; i++) nth += meets(i) ? 1 : 0;
    return { index, nth, is_done: true };
  }

  /** @param {number} buckets */
  marksOf(buckets) {
    const levels = new Array(buckets).fill(0);
    const matches = new Array(buckets).fill(false);
    const count = this.count();
    for (let index = 0; index < count; index++) {
      const position = this.position(index);
      const bucket = Math.floor((index * buckets) / count);
      if (this.levels[position] >= 4)
        levels[bucket] = Math.max(levels[bucket], this.levels[position]);
      if (this.hits[position]) matches[bucket] = true;
    }
    return { generation: this.generation, levels, matches };
  }
}

function startPage() {
  const root = document.getElementById("fdv");
  if (!root) return;
  const source = new LocalSource();
  const height = Math.max(240, innerHeight - 230);
  new Viewer(root, source, {
    height,
    alive: () => document.body.classList.add("fdv-alive"),
  });
}
