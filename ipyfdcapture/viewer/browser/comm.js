// The source of a live log: the kernel, asked over the messages of a widget. Replies can be lost
// where another cell floods the server, and a kernel that is busy answers late: a request is
// repeated until it is answered, and every answer may come twice.

const REPEAT_MS = 3000;
const WAITING_MS = 1200;
const SILENT_MS = 20_000;

/**
 * @typedef {{get: (name: string) => any, send: (content: any) => void,
 *   on: (name: string, take: (content: any) => void) => void,
 *   off: (name: string, take: (content: any) => void) => void}} Model
 */

/** @implements {Source} */
class CommSource {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.view = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join(
      "-",
    );
    this.last = 0;
    this.canMatch = false;
    /** @type {Map<number, {message: Message, answer: (reply: any) => void, since: number, sent: number}>} */
    this.waiting = new Map();
    /** @type {(status: any) => void} */
    this.hear = () => {};
    /** @type {(note: string) => void} */
    this.tell = () => {};
    this.note = "";
    this.isHeard = false;
    this.receive = (/** @type {any} */ content) => this.take(content);
    model.on("msg:custom", this.receive);
    this.timer = setInterval(() => this.repeat(), 300);
  }

  /** @param {(status: any) => void} hear */
  listen(hear) {
    this.hear = hear;
  }

  /** @param {Message} message @returns {Promise<any>} */
  ask(message) {
    const id = ++this.last;
    const now = performance.now();
    return new Promise((answer) => {
      const request = { ...message, id, view: this.view };
      this.waiting.set(id, { message: request, answer, since: now, sent: now });
      this.model.send(request);
    });
  }

  /** @param {any} content */
  take(content) {
    if (!content || (content.view !== this.view && content.view !== "*")) return;
    // What is told to all views is for those which were not heard yet.
    if (content.view === this.view) this.isHeard = true;
    else if (this.isHeard && content.event) return;
    if (content.re === undefined) {
      this.hear(content);
      return;
    }
    const request = this.waiting.get(content.re);
    if (!request) return;
    if (content.later) {
      request.sent = performance.now();
      return;
    }
    this.waiting.delete(content.re);
    if (content.gone) this.hear(content);
    request.answer(content);
  }

  repeat() {
    const now = performance.now();
    let longest = 0;
    for (const request of this.waiting.values()) {
      longest = Math.max(longest, now - request.since);
      if (now - request.sent < REPEAT_MS) continue;
      request.sent = now;
      this.model.send(request.message);
    }
    let note = "";
    if (longest > SILENT_MS) note = "the kernel does not answer: what is here stays";
    else if (longest > WAITING_MS) note = "waiting for the cell";
    if (note !== this.note) this.tell(note);
    this.note = note;
  }

  close() {
    clearInterval(this.timer);
    this.model.off("msg:custom", this.receive);
    this.model.send({ do: "bye", id: ++this.last, view: this.view });
  }
}

/** Draw one view of the widget. @param {{model: Model, el: HTMLElement}} of */
function render({ model, el }) {
  const root = document.createElement("div");
  el.append(root);
  // The static view of the same log is an output of its own: hidden while this one lives.
  const others = () => {
    const found = [...document.querySelectorAll(`.fdlog-of-${CSS.escape(model.get("log_id"))}`)];
    return found.map(
      (one) => /** @type {HTMLElement} */ (one.closest(".jp-OutputArea-child") ?? one),
    );
  };
  const hide = (/** @type {boolean} */ hidden) => {
    for (const other of others()) other.style.display = hidden ? "none" : "";
  };
  let isHidden = false;
  const source = new CommSource(model);
  const viewer = new Viewer(root, source, {
    height: model.get("height"),
    alive: () => {
      isHidden = true;
      hide(true);
    },
    showStatic: () => {
      isHidden = !isHidden;
      hide(isHidden);
    },
  });
  source.tell = (note) => viewer.say(note);
  if (model.get("follow")) viewer.ui.followToggle.click();
  return () => {
    hide(false);
    viewer.close();
  };
}
