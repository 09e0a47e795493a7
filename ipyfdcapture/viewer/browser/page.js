// A viewer in a saved page, which holds its log itself.

import { LocalSource } from "./local.js";
import { Viewer } from "./viewer.js";

const root = document.getElementById("fdv");
if (root) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    root.dataset.dark = String(dark.matches);
  };
  dark.onchange = look;
  look();
  new Viewer(root, new LocalSource(), {
    height: Math.max(240, innerHeight - 230),
    alive: () => document.body.classList.add("fdv-alive"),
  });
}
