// The source of a live log: the kernel, asked over the messages of a widget. Messages can be lost
// where another cell floods the server, and a kernel that is busy answers late: a request is
// repeated until it is answered, and every answer may come twice. Of what the kernel tells unasked
// the last word may be lost: where it is missing, it is asked for.

import { inflated } from "./inflate.js";
import { plain, spansOf } from "./pattern.js";

/** @import {Model, Pattern, Request, Row, Source} from "./types" */

const REPEAT_MS = 3000;
const WAITING_MS = 1200;
const SILENT_MS = 20_000;

/** @implements {Source} */
export class CommSource {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.view = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join(
      "-",
    );
    this.last = 0;
    /** Where the kernel found an expression. @type {WeakMap<Row, number[][]>} */
    this.spans = new WeakMap();
    /** What that expression is. @type {Pattern | null} */
    this.pattern = null;
    /** Where it is still to be looked for. @type {Row[]} */
    this.unknown = [];
    /** @type {Map<number, {message: Request, answer: (reply: any) => void, since: number, sent: number}>} */
    this.waiting = new Map();
    /** @type {(status: any) => void} */
    this.hear = () => {};
    /** @type {(note: string) => void} */
    this.tell = () => {};
    this.redraw = () => {};
    this.note = "";
    this.isHeard = false;
    /** When something came last, and whether more will come unasked. */
    this.heard = 0;
    this.isFinal = true;
    this.receive = (/** @type {any} */ content) => this.take(content);
    model.on("msg:custom", this.receive);
    this.timer = setInterval(() => this.repeat(), 300);
  }

  /** @param {(status: any) => void} hear */
  listen(hear) {
    this.hear = hear;
  }

  /** @param {Request} message @returns {Promise<any>} */
  ask(message) {
    const id = ++this.last;
    const now = performance.now();
    return new Promise((answer) => {
      const request = { ...message, id, view: this.view };
      this.waiting.set(id, { message: request, answer, since: now, sent: now });
      this.send(request);
    });
  }

  /** @param {Request} message */
  send(message) {
    try {
      this.model.send(message);
    } catch {
      // The kernel is gone: no answer comes, which `repeat` tells.
    }
  }

  /** @param {any} content */
  take(content) {
    if (!content || (content.view !== this.view && content.view !== "*")) return;
    // What is told to all views is for those which were not heard yet.
    if (content.view === this.view) this.isHeard = true;
    else if (this.isHeard && content.event) return;
    this.heard = performance.now();
    this.isFinal = content.is_final ?? (this.isFinal || Boolean(content.gone));
    if (content.re === undefined) {
      this.hear(content);
      return;
    }
    const request = this.waiting.get(content.re);
    if (!request) return;
    if (content.later) {
      // The kernel is there: no one need be told that it is waited for.
      request.sent = performance.now();
      request.since = Infinity;
      return;
    }
    this.waiting.delete(content.re);
    if (content.gone) this.hear(content);
    request.answer(content.packed ? unpacked(content) : content);
  }

  /** An expression is Python's: where it matches only the kernel can tell. @param {Row} row @param {Pattern} pattern */
  spansOf(row, pattern) {
    if (!pattern.regex) return spansOf(plain(row[4]), pattern);
    if (pattern !== this.pattern) {
      this.pattern = pattern;
      this.spans = new WeakMap();
      this.unknown = [];
    }
    const spans = this.spans.get(row);
    if (spans) return spans;
    if (!this.unknown.length) queueMicrotask(() => this.askSpans());
    this.unknown.push(row);
    this.spans.set(row, []);
    return [];
  }

  async askSpans() {
    const { pattern, spans, unknown } = this;
    this.unknown = [];
    const texts = unknown.map((row) => plain(row[4]));
    const reply = await this.ask({ do: "spans", texts });
    if (pattern !== this.pattern) return;
    unknown.forEach((row, i) => {
      spans.set(row, reply.spans?.[i] ?? []);
    });
    this.redraw();
  }

  repeat() {
    const now = performance.now();
    let longest = 0;
    for (const request of this.waiting.values()) {
      longest = Math.max(longest, now - request.since);
      if (now - request.sent < REPEAT_MS) continue;
      request.sent = now;
      this.send(request.message);
    }
    if (!this.isFinal && now - this.heard > REPEAT_MS) {
      this.isFinal = true; // until the answer says that it is not
      this.ask({ do: "status" }).then((status) => this.hear(status));
    }
    let note = "";
    if (longest > SILENT_MS) note = "the kernel does not answer: what is here stays";
    else if (longest > WAITING_MS) note = "waiting for the cell";
    if (note || this.note) this.tell(note);
    this.note = note;
  }

  close() {
    clearInterval(this.timer);
    this.model.off("msg:custom", this.receive);
    this.send({ do: "bye", id: ++this.last, view: this.view });
  }
}

/** Text comes compressed. @param {any} content */
async function unpacked({ packed, ...content }) {
  return { ...content, text: await inflated(packed).text() };
}
