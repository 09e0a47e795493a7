// Taking lines away: to the clipboard, or as a file.

import { counted, make } from "./elements.js";

/** @import {Source} from "./types" */

/** Characters. */
const MOST_COPIED = 5e6;
const MOST_SAVED = 2e8;

/**
 * Return the text of shown lines, in parts.
 * @param {Source} source
 * @param {number} start
 * @param {number} stop
 * @param {number} most characters
 * @param {(note: string) => void} say
 */
async function textOf(source, start, stop, most, say) {
  const parts = [];
  let size = 0;
  while (start < stop && size < most) {
    const reply = await source.ask({ do: "text", start, stop });
    if (typeof reply.text !== "string" || !(reply.next > start)) break;
    parts.push(reply.text);
    size += reply.text.length;
    start = reply.next;
    say(`${counted(start)} lines …`);
  }
  return { parts, cut: start < stop ? `cut after ${counted(start)} lines` : "" };
}

/**
 * Copy lines.
 * @param {Source} source
 * @param {number} start
 * @param {number} stop
 * @param {(note: string) => void} say
 * @param {HTMLElement} root where a field may be put for a moment
 */
export async function copyLines(source, start, stop, say, root) {
  const { parts, cut } = await textOf(source, start, stop, MOST_COPIED, say);
  const text = parts.join("");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page without a certificate has no clipboard.
    const area = /** @type {HTMLTextAreaElement} */ (make("textarea", { class: "fdv-area" }));
    area.value = text;
    root.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(cut || `copied ${counted(stop - start)} lines`);
}

/** Save all lines that are shown. @param {Source} source @param {number} stop @param {(note: string) => void} say */
export async function saveLines(source, stop, say) {
  const { parts, cut } = await textOf(source, 0, stop, MOST_SAVED, say);
  const link = /** @type {HTMLAnchorElement} */ (make("a", { download: "log.txt" }));
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say(cut || `saved ${counted(stop)} lines`);
}
