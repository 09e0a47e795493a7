// Waiting.

/** Resolve after a while. @param {number} ms */
export function pause(ms) {
  return new Promise((go) => setTimeout(go, ms));
}
