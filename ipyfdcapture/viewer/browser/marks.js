// Marks beside the scrollbar: where matches and serious lines are.

import { clamp, make } from "./elements.js";

export class Marks {
  /** @param {number} height @param {(part: number) => void} goto takes 0 to 1 */
  constructor(height, goto) {
    this.buckets = clamp(Math.floor(height / 3), 400);
    this.element = make("div", { class: "fdv-marks", "aria-hidden": "true" });
    this.element.onclick = (event) => {
      const box = this.element.getBoundingClientRect();
      goto((event.clientY - box.top) / box.height);
    };
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
