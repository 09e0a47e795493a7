// Marks beside the scrollbar: where matches and serious lines are.

import { make } from "./elements.js";

export class Marks {
  /** @param {number} height @param {(part: number) => void} goto takes 0 to 1 */
  constructor(height, goto) {
    this.buckets = Math.min(400, Math.max(1, Math.floor(height / 3)));
    this.element = make("div", { class: "fdv-marks", "aria-hidden": "true" });
    this.element.addEventListener("click", (event) => {
      const box = this.element.getBoundingClientRect();
      goto((event.clientY - box.top) / box.height);
    });
  }

  /** @param {number[]} levels the worst of each part @param {boolean[]} matches */
  draw(levels, matches) {
    const made = [];
    for (let i = 0; i < levels.length; i++) {
      const kinds = [
        levels[i] >= 4 && levels[i] < 7 ? `fdv-m${levels[i]}` : "",
        matches[i] && "fdv-mm",
      ];
      for (const kind of kinds) {
        if (!kind) continue;
        const mark = make("i", { class: kind });
        mark.style.top = `${(100 * i) / levels.length}%`;
        made.push(mark);
      }
    }
    this.element.replaceChildren(...made);
  }
}
