// A viewer in a notebook, as anywidget draws it.

import { CommSource } from "./comm.js";
import { Theme } from "./theme.js";
import { Viewer } from "./viewer.js";

/** @import {Model} from "./types" */

/** A viewer that is taken away again. */
class NotebookViewer extends Viewer {
  close() {
    for (const observer of this.observers ?? []) observer.disconnect();
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.marks.isStale = false;
    this.source.close();
    this.root.remove();
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
  const theme = new Theme(root);
  let isHidden = false;
  const hide = (/** @type {boolean} */ hidden) => {
    isHidden = hidden;
    for (const other of others()) other.style.display = hidden ? "none" : "";
  };
  const source = new CommSource(model);
  const viewer = new NotebookViewer(root, source, {
    height: model.get("height"),
    alive: () => {
      theme.look();
      hide(true);
    },
    showStatic: others().length ? () => hide(!isHidden) : undefined,
  });
  source.tell = (note) => viewer.say(note);
  source.redraw = () => viewer.redrawAll();
  if (model.get("follow")) viewer.followToggle.click();
  return () => {
    hide(false);
    theme.close();
    viewer.close();
  };
}

export default { render };
