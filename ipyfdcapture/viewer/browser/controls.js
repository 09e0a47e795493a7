// What a viewer is made of: fields, buttons, the grid of lines, the timeline, the foot.

const LEVELS = ["", "trace", "debug", "info", "warning", "error", "critical"];
const KEYS = [
  ["/", "search"],
  ["n N", "next, previous match"],
  ["e E", "next, previous error"],
  ["g G", "first, last line"],
  ["j k ↓ ↑", "line down, up"],
  ["Shift", "with these: mark lines"],
  ["Ctrl A", "mark all"],
  ["c", "copy marked lines"],
  ["w", "wrap"],
  ["t", "times"],
  ["f", "follow"],
  ["m", "bookmark"],
  ["b B", "next, previous bookmark"],
  ["x", "whole line"],
  ["Esc", "unmark"],
];

/**
 * Make an element.
 * @param {string} tag
 * @param {{[name: string]: string}} [attributes]
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  if (["BUTTON", "INPUT", "SELECT", "SUMMARY"].includes(element.tagName))
    element.setAttribute("data-lm-suppress-shortcuts", "true");
  return element;
}

class Controls {
  /**
   * Build the viewer's elements; what they do is up to the viewer.
   * @param {HTMLElement} root
   * @param {Viewer} viewer
   */
  constructor(root, viewer) {
    /** @type {(label: string, title: string, press: () => void) => HTMLElement} */
    const button = (label, title, press) => {
      const made = make("button", { type: "button", title }, label);
      if (!/[a-z]/.test(label)) made.setAttribute("aria-label", title);
      made.addEventListener("click", press);
      return made;
    };
    /** @type {(label: string, title: string, changed: () => void) => HTMLElement} */
    const toggle = (label, title, changed) => {
      const made = button(label, title, () => {
        made.setAttribute("aria-pressed", String(made.getAttribute("aria-pressed") !== "true"));
        changed();
      });
      made.setAttribute("aria-pressed", "false");
      return made;
    };
    /** @type {(label: string, attributes: {[name: string]: string}, changed: () => void, wait?: number) => HTMLInputElement} */
    const field = (label, attributes, changed, wait = 250) => {
      const made = /** @type {HTMLInputElement} */ (
        make("input", { "aria-label": label, placeholder: label, ...attributes })
      );
      made.addEventListener("input", () => viewer.later(label, wait, changed));
      return made;
    };
    /** @type {(label: string, entries: string[], changed: () => void) => HTMLSelectElement} */
    const choice = (label, entries, changed) => {
      const options = entries.map((entry) => make("option", {}, entry));
      const made = make("select", { "aria-label": label, title: label }, ...options);
      made.addEventListener("change", changed);
      return /** @type {HTMLSelectElement} */ (made);
    };
    const searched = () => viewer.searchFor();
    const filtered = () => viewer.narrow();
    this.searchField = field("search", { type: "search", class: "fdv-search" }, searched);
    this.searchField.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      viewer.searchFor();
      viewer.step("match", event.shiftKey);
    });
    this.regexToggle = toggle(".*", "expression", searched);
    this.caseToggle = toggle("Aa", "match case", searched);
    this.count = make("span", { class: "fdv-count", role: "status" });
    this.onlyToggle = toggle("only", "show matches alone", filtered);
    this.context = field(
      "lines around a match",
      { type: "number", min: "0", max: "1000" },
      filtered,
    );
    this.context.placeholder = "±";
    this.levelChoice = choice("least level", ["all levels", ...LEVELS.slice(1)], filtered);
    this.sourceList = make("div", { class: "fdv-sources" });
    this.sourceMenu = make("details", {}, make("summary", {}, "sources"), this.sourceList);
    this.excludeField = field("exclude", { type: "search" }, filtered, 400);
    this.fromField = field(
      "from s",
      { inputmode: "decimal", size: "6" },
      () => viewer.typedRange(),
      600,
    );
    this.toField = field(
      "to s",
      { inputmode: "decimal", size: "6" },
      () => viewer.typedRange(),
      600,
    );
    this.timeChoice = choice("times", ["no times", "elapsed", "clock", "since last"], () =>
      viewer.redraw(),
    );
    this.wrapToggle = toggle("wrap", "wrap long lines (w)", () => viewer.setWrap());
    this.followToggle = toggle("follow", "follow what is new (f)", () => viewer.setFollow());
    this.help = make("dl", { class: "fdv-help", hidden: "" });
    for (const [key, meaning] of KEYS)
      this.help.append(make("dt", {}, make("kbd", {}, key)), make("dd", {}, meaning));
    this.chips = make("span", { class: "fdv-chips" });
    this.timeline = make("div", { class: "fdv-time", role: "img", hidden: "" });
    this.spacer = make("div", { class: "fdv-spacer", role: "presentation" });
    this.lines = make("div", { class: "fdv-lines", role: "rowgroup" });
    this.port = make("div", { class: "fdv-port", role: "presentation" }, this.lines);
    this.grid = make(
      "div",
      {
        class: "fdv-grid",
        role: "grid",
        tabindex: "0",
        "aria-label": "log lines",
        "aria-multiselectable": "true",
        "data-lm-suppress-shortcuts": "true",
      },
      this.port,
      this.spacer,
    );
    this.grid.style.height = `${viewer.options.height}px`;
    this.marks = make("div", { class: "fdv-marks", "aria-hidden": "true" });
    this.place = make("span", { class: "fdv-place" });
    this.note = make("span", { class: "fdv-note", role: "status" });
    this.about = make("span", {});
    const all = [
      make(
        "div",
        { class: "fdv-bar" },
        this.searchField,
        this.regexToggle,
        this.caseToggle,
        button("▲", "previous match (N)", () => viewer.step("match", true)),
        button("▼", "next match (n)", () => viewer.step("match", false)),
        this.count,
        this.onlyToggle,
        this.context,
        button("within", "search within these matches", () => viewer.searchWithin()),
        this.excludeField,
      ),
      make(
        "div",
        { class: "fdv-bar" },
        this.levelChoice,
        button("▲!", "previous error (E)", () => viewer.step("level", true)),
        button("▼!", "next error (e)", () => viewer.step("level", false)),
        this.sourceMenu,
        this.fromField,
        this.toField,
        this.timeChoice,
        this.wrapToggle,
        this.followToggle,
        button("copy", "copy marked lines, or all that are shown (c)", () => viewer.copy()),
        button("save", "save what is shown", () => viewer.save()),
        ...(viewer.options.showStatic
          ? [button("static", "show or hide the static view", viewer.options.showStatic)]
          : []),
        button("?", "keys", () => this.help.toggleAttribute("hidden")),
        this.chips,
      ),
      this.help,
      this.timeline,
      make("div", { class: "fdv-main" }, this.grid, this.marks),
      make("div", { class: "fdv-foot" }, this.place, this.about, this.note),
    ];
    this.brushed = make("b", { hidden: "" });
    root.classList.add("fdv");
    root.append(...all);
  }
}
