// The page's own colours, whoever sets them: a shadow root hides the page from style sheets.

import { luminance } from "./row.js";

/** Have an element be light or dark as what is behind it. @param {HTMLElement} root */
export function followTheme(root) {
  const look = () => {
    root.dataset.dark = String(isDark(root.parentNode));
  };
  const observer = new MutationObserver(look);
  for (const element of [document.documentElement, document.body])
    observer.observe(element, { attributes: true });
  look();
  return observer;
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
  if (!context) return [0, 0, 0, 0];
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}
