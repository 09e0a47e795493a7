// Elements of the page. Text reaches it as text nodes alone.

/**
 * Make an element.
 * @param {string} tag
 * @param {{[name: string]: string}} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  // JupyterLab looks for this on the focused element itself.
  if (element.matches("button, input, select, summary, [tabindex]"))
    element.setAttribute("data-lm-suppress-shortcuts", "true");
  return element;
}

/** @param {string} label @param {string} title @param {() => void} press */
export function button(label, title, press) {
  const made = make("button", { type: "button", title }, label);
  if (!/[a-z]/.test(label)) made.setAttribute("aria-label", title);
  made.onclick = press;
  return made;
}

/**
 * Two buttons, to go back and to go on; the key goes on, and in upper case back.
 * @param {string} sign
 * @param {string} noun
 * @param {string} key
 * @param {(back: boolean) => void} go
 */
export function pair(sign, noun, key, go) {
  return [
    button(`▲${sign}`, `previous ${noun} (${key.toUpperCase()})`, () => go(true)),
    button(`▼${sign}`, `next ${noun} (${key})`, () => go(false)),
  ];
}

/** A button that stays pressed. @param {string} label @param {string} title @param {() => void} changed */
export function toggle(label, title, changed) {
  const made = button(label, title, () => {
    press(made, !isOn(made));
    changed();
  });
  press(made, false);
  return made;
}

/** @param {HTMLElement} made @param {boolean} on */
export function press(made, on) {
  made.setAttribute("aria-pressed", String(on));
}

/** @param {HTMLElement} made */
export function isOn(made) {
  return made.getAttribute("aria-pressed") === "true";
}

/** @param {string} label @param {{[name: string]: string}} attributes @param {() => void} changed */
export function field(label, attributes, changed) {
  const made = make("input", { "aria-label": label, placeholder: label, ...attributes });
  made.oninput = changed;
  return /** @type {HTMLInputElement} */ (made);
}

/** @param {string} label @param {string[]} entries @param {() => void} changed */
export function choice(label, entries, changed) {
  const options = entries.map((entry) => make("option", {}, entry));
  const made = make("select", { "aria-label": label, title: label }, ...options);
  made.onchange = changed;
  return /** @type {HTMLSelectElement} */ (made);
}

/** @param {HTMLElement} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Return a number from 0 to the most that is near a value. @param {number} value @param {number} most */
export function clamp(value, most) {
  return Math.max(0, Math.min(value, most));
}

/** Return a number as a text. */
export const counted = new Intl.NumberFormat("en").format;
