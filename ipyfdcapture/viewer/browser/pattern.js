// What is looked for, in the text of a line.

/** @import {Pattern, Run} from "./types" */

// So many matches of a line are marked.
const MOST_SPANS = 200;

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
    for (const match of text.matchAll(expressionOf(pattern))) {
      spans.push([match.index, match.index + match[0].length]);
      if (spans.length === MOST_SPANS) break;
    }
  } catch {
    // It is no expression: whoever searches for it says so.
  }
  return spans;
}
