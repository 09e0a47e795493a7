// Marks beside the scrollbar: where matches and serious lines are.

import { clamp, make } from "./elements.js";
import { pause } from "./pause.js";

/** @import {Viewer} from "./viewer.js" */

/** The least time between marks. */
const MARKS_MS = 200;

export class Marks {
  /** Whether they are older than the last status, and whether they are being asked for. */
  isStale = false;
  isAsking = false;
  element = make("div", { class: "fdv-marks", "aria-hidden": "true" });

  /** @param {Viewer} viewer @param {number} height in pixels */
  constructor(viewer, height) {
    this.viewer = viewer;
    this.buckets = clamp(Math.floor(height / 3), 400);
    this.element.onclick = (event) => {
      const box = this.element.getBoundingClientRect();
      const part = (event.clientY - box.top) / box.height;
      viewer.goto(Math.floor(part * viewer.lines.total), true);
    };
  }

  /** Have marks as of the last status. While a scan goes on, one comes ten times a second: the next
   * marks are asked for once these are here, so that what the reader asks for need not wait. */
  async ask() {
    const { lines, source } = this.viewer;
    this.isStale = true;
    if (this.isAsking) return;
    this.isAsking = true;
    while (this.isStale) {
      this.isStale = false;
      const reply = await source.ask({ do: "marks", buckets: this.buckets });
      if (reply.levels && reply.generation === lines.generation)
        this.draw(reply.levels, reply.matches);
      // The first are not to wait: while nothing is found, it costs next to nothing to ask.
      if (this.element.firstChild) await pause(MARKS_MS);
    }
    this.isAsking = false;
  }

  /** @param {number[]} levels the worst of each part @param {boolean[]} matches */
  draw(levels, matches) {
    /** @type {HTMLElement[]} */
    const made = [];
    const add = (/** @type {string} */ kind, /** @type {number} */ i) => {
      const mark = make("i", { class: kind });
      mark.style.top = `${(100 * i) / levels.length}%`;
      made.push(mark);
    };
    levels.forEach((level, i) => {
      if (level >= 4 && level < 7) add(`fdv-m${level}`, i);
      if (matches[i]) add("fdv-mm", i);
    });
    this.element.replaceChildren(...made);
  }
}
