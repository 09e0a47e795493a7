// What keys do, and the list that says so.

import { make } from "./elements.js";

/** @import {Viewer} from "./viewer.js" */

/**
 * Each key with its meaning and what it does; of two keys the second goes back. Those without do
 * nothing alone, or move (`MOVES`).
 * @type {[keys: string, meaning: string, press?: (viewer: Viewer, back: boolean) => void][]}
 */
const KEYS = [
  ["/", "search", (viewer) => viewer.search.field.select()],
  ["n N", "next, previous match", (viewer, back) => viewer.search.step("match", back)],
  ["e E", "next, previous error", (viewer, back) => viewer.search.step("level", back)],
  ["g G", "first, last line"],
  [":", "line by its number", (viewer) => viewer.number.select()],
  ["j k ↓ ↑", "line down, up"],
  ["← →", "along long lines"],
  ["Shift", "with these: mark lines"],
  ["Ctrl A", "mark all"],
  ["c", "copy marked lines", (viewer) => viewer.copy()],
  ["w", "wrap", (viewer) => viewer.wrapToggle.click()],
  ["t", "times", (viewer) => viewer.nextTimes()],
  ["f", "follow", (viewer) => viewer.followToggle.click()],
  ["m", "bookmark, as a click on its number", (viewer) => viewer.bookmark()],
  ["b B", "next, previous bookmark", (viewer, back) => viewer.stepBookmark(back)],
  ["x", "whole line", (viewer) => viewer.lines.whole(viewer.caret)],
  ["?", "keys", (viewer) => viewer.help.toggleAttribute("hidden")],
  ["Escape", "unmark", (viewer) => viewer.unmark()],
];

/** How many lines a key moves. @type {{[key: string]: number}} */
const MOVES = {
  j: 1,
  J: 1,
  ArrowDown: 1,
  k: -1,
  K: -1,
  ArrowUp: -1,
  g: -Infinity,
  Home: -Infinity,
  G: Infinity,
  End: Infinity,
};

export function helpOfKeys() {
  const help = make("dl", { class: "fdv-help", hidden: "" });
  for (const [keys, meaning] of KEYS)
    help.append(make("dt", {}, make("kbd", {}, keys)), make("dd", {}, meaning));
  return help;
}

/** Do what a key on the lines is for. @param {Viewer} viewer @param {KeyboardEvent} event */
export function pressed(viewer, event) {
  const { key, shiftKey } = event;
  if (event.altKey) return;
  const page = Math.max(1, viewer.screen.scroll.rows - 1);
  const isBack = key === "PageUp" || (key === " " && shiftKey);
  const found = KEYS.find(([keys, , press]) => press && keys.split(" ").includes(key));
  const by = /^(Page.*| )$/.test(key) ? page * (isBack ? -1 : 1) : MOVES[key];
  if (event.ctrlKey || event.metaKey) {
    if (key !== "a") return;
    viewer.markAll();
  } else if (by) viewer.move(by, shiftKey && key !== "G" && key !== " ");
  else if (/^Arrow[LR]/.test(key)) viewer.screen.port.scrollBy(key === "ArrowLeft" ? -80 : 80, 0);
  else if (found) found[2]?.(viewer, key !== found[0][0]);
  else return;
  event.preventDefault();
}
