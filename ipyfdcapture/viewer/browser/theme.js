// The page's own colours, whoever sets them: a shadow root hides the page from style sheets.

import { luminance } from "./row.js";

/** Makes an element light or dark, as what is behind it. */
export class Theme {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.observer = new MutationObserver(() => this.look());
    for (const element of [document.documentElement, document.body])
      this.observer.observe(element, { attributes: true });
    this.look();
  }

  /** Look at what is behind it now: nothing is before it is in the page. */
  look() {
    this.root.dataset.dark = String(isDark(this.root.parentNode));
  }

  close() {
    this.observer.disconnect();
  }
}

/** @param {Node | null} node */
function isDark(node) {
  for (; node; node = node instanceof ShadowRoot ? node.host : node.parentNode) {
    if (!(node instanceof Element)) continue;
    const [r, g, b, alpha] = channels(getComputedStyle(node).backgroundColor);
    if (alpha > 127) return luminance((r << 16) + (g << 8) + b) < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Return the bytes of a colour in any of the forms that CSS knows. @param {string} colour */
function channels(colour) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  if (!colour || !context) return [0, 0, 0, 0];
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}
