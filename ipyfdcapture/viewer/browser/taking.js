// Taking lines away: to the clipboard, or as a file.

import { counted, make } from "./elements.js";
import { pause } from "./pause.js";

/** @import {Viewer} from "./viewer.js" */

/** Characters. */
const MOST_COPIED = 5e6;
const MOST_SAVED = 2e8;

/**
 * Return the text of shown lines, in parts.
 * @param {Viewer} viewer
 * @param {number} start
 * @param {number} stop
 * @param {number} most characters
 */
async function textOf(viewer, start, stop, most) {
  const parts = [];
  let size = 0;
  while (start < stop && size < most) {
    const reply = await viewer.source.ask({ do: "text", start, stop });
    if (typeof reply.text !== "string" || !(reply.next > start)) break;
    parts.push(reply.text);
    size += reply.text.length;
    start = reply.next;
    viewer.say(`${counted(start)} lines …`);
  }
  viewer.say(start < stop ? `cut after ${counted(start)} lines` : "");
  return parts;
}

/** @param {Viewer} viewer @param {number[]} lines the first, and the one after the last */
export async function copyLines(viewer, [start, stop]) {
  const text = (await textOf(viewer, start, stop, MOST_COPIED)).join("");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A page without a certificate has no clipboard.
    const area = /** @type {HTMLTextAreaElement} */ (make("textarea", { class: "fdv-area" }));
    area.value = text;
    viewer.root.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    viewer.screen.grid.focus();
  }
  if (!viewer.note.textContent) viewer.say(`copied ${counted(stop - start)} lines`);
}

/** Save all lines that are shown. @param {Viewer} viewer */
export async function saveLines(viewer) {
  for (;;) {
    const status = await viewer.source.ask({ do: "status" });
    viewer.take(status);
    // What the filter shows may not be known to its end yet.
    if (!(status.filtered < status.lines) || status.problems.length) break;
    viewer.say("looking …");
    await pause(200);
  }
  const parts = await textOf(viewer, 0, viewer.lines.total, MOST_SAVED);
  const link = /** @type {HTMLAnchorElement} */ (make("a", { download: "log.txt" }));
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
