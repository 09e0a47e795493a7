// Where we are in millions of lines. The place is a line and the pixels of it above the edge: no
// browser has a scrollbar of so many pixels, and a notebook that takes a view out of the page
// forgets where its scrollbar was.

import { clamp } from "./elements.js";

/** Browsers lay out no more than some 16 million pixels. */
const MOST_PIXELS = 8e6;

export class Scroll {
  total = 0;
  line = 0;
  px = 0;
  /** Of a line that is not wrapped. */
  height = 18;
  wrap = false;
  lastTop = 0;

  /**
   * @param {HTMLElement} grid what scrolls
   * @param {HTMLElement} port what is seen of it, with a scrollbar of its own below
   * @param {HTMLElement} spacer what makes it as high as it should be
   * @param {(name: string, wait: number, work: () => void) => void} later
   */
  constructor(grid, port, spacer, later) {
    this.grid = grid;
    this.port = port;
    this.spacer = spacer;
    this.later = later;
  }

  /** The pixels that are seen. */
  get view() {
    return this.port.clientHeight;
  }

  /** How many lines are seen. */
  get rows() {
    return Math.max(1, Math.floor(this.view / this.height));
  }

  /** @param {number} line */
  to(line) {
    this.line = Math.max(0, line);
    this.px = 0;
  }

  toEnd() {
    this.to(this.total - (this.wrap ? 1 : this.rows));
  }

  /** Keep the place within the log. */
  settle() {
    if (this.wrap) {
      this.line = clamp(this.line, this.total - 1);
      return;
    }
    const end = Math.max(0, this.total * this.height - this.view);
    const top = clamp(this.line * this.height + this.px, end);
    this.line = Math.floor(top / this.height);
    this.px = top - this.line * this.height;
  }

  /**
   * The same with lines of any height.
   * @param {(index: number) => HTMLElement | undefined} drawn
   * @param {HTMLElement | undefined} last of those that are drawn
   * @returns {boolean} whether lines above are to be drawn first: their heights are not known before
   */
  settleWrapped(drawn, last) {
    const one = drawn(this.line);
    if (last && one && drawn(this.total - 1)) {
      const end = last.offsetTop + last.offsetHeight - one.offsetTop - this.px;
      if (end < this.view) this.px -= this.view - end;
    }
    while (this.px < 0 && this.line > 0) {
      const above = drawn(this.line - 1);
      if (!above) return true;
      this.line--;
      this.px += above.offsetHeight;
    }
    this.px = Math.max(0, this.px);
    while (this.line < this.total - 1) {
      const height = drawn(this.line)?.offsetHeight ?? Infinity;
      if (this.px < height) break;
      this.px -= height;
      this.line++;
    }
    return false;
  }

  /** Whether the scrollbar has a pixel for each pixel of the log. */
  get isExact() {
    return !this.wrap && this.total * this.height <= MOST_PIXELS;
  }

  /** Make the scrollbar say where we are. */
  show() {
    const view = this.view;
    const pixels = Math.max(view, Math.min(MOST_PIXELS, this.total * this.height));
    this.spacer.style.height = `${pixels - view}px`;
    const part = this.line / Math.max(1, this.total - view / this.height);
    const wanted = this.isExact ? this.line * this.height + this.px : part * (pixels - view);
    const top = this.grid.scrollTop;
    if (this.isExact || top <= 0 || top >= pixels - view - 1) this.put(wanted);
    else this.later("top", 150, () => this.put(wanted));
  }

  /** @param {number} top */
  put(top) {
    if (Math.abs(this.grid.scrollTop - top) >= 1) this.grid.scrollTop = top;
    this.lastTop = this.grid.scrollTop;
  }

  /** Take what the scrollbar says now; return by how many pixels that is further. */
  scrolled() {
    const top = this.grid.scrollTop;
    const moved = top - this.lastTop;
    if (Math.abs(moved) < 0.5) return 0;
    this.lastTop = top;
    if (this.isExact) {
      this.line = 0;
      this.px = top;
    } else if (Math.abs(moved) < 3 * this.view) this.px += moved;
    else {
      const part = top / Math.max(1, this.grid.scrollHeight - this.view);
      this.to(Math.round(part * Math.max(0, this.total - this.view / this.height)));
    }
    this.settle();
    return moved;
  }
}
