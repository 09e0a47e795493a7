// The timeline: how much came when, and a brush over it that chooses a part.

import { clamp, make } from "./elements.js";

/** @import {Timeline as Data} from "./types" */

/** A drag over less than this is a click. */
const LEAST_PART = 0.005;

export class Timeline {
  /** @type {Data | null} */
  data = null;
  /** What is chosen, in seconds; null where it is open. @type {(number | null)[]} */
  range = [];
  bars = make("div", { class: "fdv-bars" });
  chosen = make("b", { hidden: "" });
  element = make("div", { class: "fdv-time", role: "img", hidden: "" }, this.bars, this.chosen);

  /**
   * @param {(seconds: number) => void} goto
   * @param {(range: number[]) => void} choose
   */
  constructor(goto, choose) {
    this.goto = goto;
    this.choose = choose;
    this.brush();
  }

  /** @param {Data | null} data */
  take(data) {
    if (!data?.bytes.length || data === this.data) return;
    this.data = data;
    const most = Math.max(...data.bytes, 1);
    this.bars.replaceChildren(
      ...data.bytes.map((size) => {
        const bar = make("i");
        bar.style.height = `${size ? Math.max(6, 100 * Math.sqrt(size / most)) : 0}%`;
        return bar;
      }),
    );
    this.element.hidden = false;
    const label = `output over ${data.seconds.toPrecision(3)} s; the fields "from" and "to" choose a part`;
    this.element.setAttribute("aria-label", label);
  }

  brush() {
    let from = -1;
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.element.getBoundingClientRect();
      return clamp((event.clientX - box.left) / box.width, 1);
    };
    this.element.onpointerdown = (event) => {
      from = at(event);
      this.element.setPointerCapture(event.pointerId);
    };
    this.element.onpointermove = (event) => {
      if (from >= 0) this.draw(from, at(event));
    };
    this.element.onpointerup = (event) => {
      const [start, stop] = [from, at(event)].sort((a, b) => a - b);
      const data = this.data;
      from = -1;
      if (!data || start < 0) return;
      const seconds = [start, stop].map((part) => data.start + part * data.seconds);
      if (stop - start >= LEAST_PART) this.choose(seconds);
      else {
        this.show(this.range);
        this.goto(seconds[0]);
      }
    };
    this.element.onpointercancel = () => {
      from = -1;
    };
  }

  /** Show what is chosen. @param {(number | null)[]} range */
  show(range) {
    const data = this.data;
    this.range = range;
    this.chosen.hidden = true;
    if (!data?.seconds || range.every((x) => x === null)) return;
    const [from, to] = [range[0] ?? -Infinity, range[1] ?? Infinity].map((x) =>
      clamp((x - data.start) / data.seconds, 1),
    );
    this.draw(from, to);
  }

  /** @param {number} from @param {number} to */
  draw(from, to) {
    this.chosen.hidden = false;
    this.chosen.style.left = `${100 * Math.min(from, to)}%`;
    this.chosen.style.width = `${100 * Math.abs(to - from)}%`;
  }
}
