// One line of the log as an element. Classes and colours come from integers that are checked.

import { button, counted, make } from "./elements.js";

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
    const source = cell(isStderr ? "fdv-s fdv-err" : "fdv-s", shortName(name));
    source.title = name;
    cells.push(source);
  }
  const text = cell("fdv-x");
  text.dir = "ltr";
  fill(text, row[4], spans);
  const rest = restOf(row);
  if (row[5] > 0) {
    const whole = button(rest, "show the whole line (x)", showWhole);
    whole.className = "fdv-more";
    whole.tabIndex = -1;
    text.append(whole);
  } else if (rest) text.append(make("span", { class: "fdv-rest" }, `${rest}, not here`));
  return [...cells, text];
}

/** Say how much of a line is left out. @param {Row} row */
export function restOf(row) {
  return row[5] ? ` … ${counted(Math.abs(row[5]))} bytes more` : "";
}

/** What stands before a line: ``worker-3 err`` of ``worker-3/stderr``. @param {string} name */
export function shortName(name) {
  const short = name.replace(/\/?stdout(\+stderr)?$/, "");
  return short.replace(/\/?stderr$/, " err").trim();
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
  const paint = (/** @type {number} */ colour, isBack = false) => {
    if (!Number.isInteger(colour) || colour < 0 || colour >= RGB + (1 << 24)) return;
    if (colour < RGB) element.classList.add(`fdv-${isBack ? "b" : "c"}${colour}`);
    else
      element.style[isBack ? "backgroundColor" : "color"] =
        `#${(colour - RGB).toString(16).padStart(6, "0")}`;
  };
  paint(foreground);
  paint(background, true);
  // What has no colour of its own must be readable on any.
  if (background >= RGB && foreground < 0)
    element.classList.add(luminance(background - RGB) > 110 ? "fdv-dark" : "fdv-light");
  return element;
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
    date.setMinutes(date.getMinutes() - date.getTimezoneOffset());
    return date.toISOString().slice(11, 23);
  }
  if (kind === 3) return before ? `+${seconds(row[2] - before[2])}` : "–";
  return "";
}
