// One line of the log as an element. Classes and colours come from integers that are checked.

import { counted, make } from "./elements.js";

/** @import {Row, Run} from "./types" */

export const LEVELS = ["", "trace", "debug", "info", "warning", "error", "critical"];
const STYLES = ["bold", "dim", "italic", "underline", "inverse", "strike"];
// From here on, colours are 24 bits of red, green and blue.
const RGB = 16;

/**
 * @param {Row} row
 * @param {number[][]} spans where matches are
 * @param {{time: string, source: [string, boolean] | null, isBookmarked: boolean}} more
 * @param {() => void} showWhole
 * @returns {HTMLElement[]} its cells
 */
export function cellsOf(row, spans, more, showWhole) {
  const star = more.isBookmarked ? "★" : "";
  const cells = [cell("fdv-n", star + counted(row[0]))];
  if (more.time) cells.push(cell("fdv-t", more.time));
  if (more.source) {
    const [name, isStderr] = more.source;
    const short = { stdout: "", "stdout+stderr": "", stderr: "err" }[name] ?? name;
    const source = cell(isStderr ? "fdv-s fdv-err" : "fdv-s", short);
    source.title = name;
    cells.push(source);
  }
  const text = cell("fdv-x");
  text.dir = "ltr";
  fill(text, row[4], spans);
  if (row[5] > 0) {
    const button = make("button", { type: "button", class: "fdv-more", tabindex: "-1" });
    button.textContent = `… ${counted(row[5])} bytes more`;
    button.addEventListener("click", showWhole);
    text.append(button);
  }
  return [...cells, text];
}

/** @param {string} kind @param {string} [text] */
export function cell(kind, text = "") {
  return make("span", { role: "gridcell", class: kind }, text);
}

/**
 * Put text into an element, styled and with its matches marked.
 * @param {HTMLElement} element
 * @param {string | Run[]} content
 * @param {number[][]} spans
 */
function fill(element, content, spans) {
  /** @type {Run[]} */
  const runs = typeof content === "string" ? [[content, 0, -1, -1]] : content;
  let at = 0;
  for (const run of runs) {
    const text = run[0];
    const end = at + text.length;
    const target = typeof content === "string" ? element : styled(run);
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
function styled([, flags, foreground, background]) {
  const element = make("span");
  STYLES.forEach((name, i) => {
    if ((flags >> i) & 1) element.classList.add(`fdv-${name}`);
  });
  if (isColour(foreground)) {
    if (foreground < RGB) element.classList.add(`fdv-c${foreground}`);
    else element.style.color = hex(foreground);
  }
  if (isColour(background)) {
    if (background < RGB) element.classList.add(`fdv-b${background}`);
    else element.style.backgroundColor = hex(background);
    if (background >= RGB && foreground < 0)
      element.classList.add(luminance(background - RGB) > 110 ? "fdv-dark" : "fdv-light");
  }
  return element;
}

/** @param {number} colour */
function isColour(colour) {
  return Number.isInteger(colour) && colour >= 0 && colour < RGB + (1 << 24);
}

/** @param {number} colour */
function hex(colour) {
  return `#${(colour - RGB).toString(16).padStart(6, "0")}`;
}

/** @param {number} colour 24 bits of red, green and blue; returns 0 to 255 */
export function luminance(colour) {
  return 0.3 * (colour >> 16) + 0.6 * ((colour >> 8) & 255) + 0.1 * (colour & 255);
}

/**
 * Return when a line came.
 * @param {number} kind of time: none, since the start, by the clock, since the line before
 * @param {Row} row
 * @param {Row | undefined} before
 * @param {number} started ms since the epoch
 */
export function timeOf(kind, row, before, started) {
  const seconds = (/** @type {number} */ micros) => `${(micros / 1e6).toFixed(3)} s`;
  if (kind === 1) return seconds(row[2]);
  if (kind === 2) {
    const date = new Date(started + row[2] / 1000);
    const clock = date.toLocaleTimeString("en-GB");
    return `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  }
  if (kind === 3) return before ? `+${seconds(row[2] - before[2])}` : "–";
  return "";
}
