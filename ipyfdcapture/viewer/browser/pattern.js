// What is looked for, in the text of a line.

/** @import {Pattern, Run} from "./types" */

// So many matches of a line are marked; an expression is tried on so much of it.
const MOST_SPANS = 200;
const MOST_TEXT = 2000;

/** @param {string | Run[]} content */
export function plain(content) {
  return typeof content === "string" ? content : content.map((run) => run[0]).join("");
}

/** Return the browser's expression for a pattern; raises if it is none. @param {Pattern} pattern */
export function expressionOf(pattern) {
  const text = pattern.regex ? pattern.text : pattern.text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(text, pattern.case ? "gu" : "giu");
}

/**
 * Return where a text has what is looked for.
 * @param {string} text
 * @param {Pattern} pattern
 * @returns {number[][]}
 */
export function spansOf(text, pattern) {
  const spans = [];
  try {
    const part = pattern.regex ? text.slice(0, MOST_TEXT) : text;
    for (const match of part.matchAll(expressionOf(pattern))) {
      spans.push([match.index, match.index + match[0].length]);
      if (spans.length === MOST_SPANS) break;
    }
  } catch {
    // It is no expression: whoever searches for it says so.
  }
  return spans;
}
