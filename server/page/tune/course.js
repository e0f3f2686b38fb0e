// One course: what may be done with it, its steps, and what each has found.

import { button, el } from "../dom.js";
import { t } from "../i18n.js";
import { AuditPart } from "./audit.js";
import { GatePart } from "./gate.js";
import { ModelPart } from "./model.js";
import { TrainingPart } from "./training.js";

export class Course {
  root = el("article", { className: "tune-detail" });
  #act;
  #detail = null;
  #around = { installed: true, busy: "" };
  #head = el("div");
  #drawn = "";
  #pressed = false;
  #training = new TrainingPart();
  #parts;

  // act: does one of the actions of a course; what the service answers, null where it refused.
  constructor(act) {
    this.#act = act;
    // What comes last stands first.
    this.#parts = [new ModelPart(act), new GatePart(act), this.#training, new AuditPart()];
  }

  get isRunning() {
    return this.#detail?.status === "running";
  }

  clear() {
    this.#detail = null;
    this.root.replaceChildren();
    for (const part of this.#parts) part.clear();
  }

  // around: whether XTuner is installed, and the name of another course that is under way.
  show(detail, around) {
    this.#detail = detail;
    this.#around = around;
    if (!this.root.childElementCount) this.root.append(this.#head, ...this.#parts.map((part) => part.root));
    const known = JSON.stringify([detail, around].map((one) => ({ ...one, training: null, audit: null, gate: null })));
    // What is drawn anew loses the focus and what is folded out.
    if (known !== this.#drawn) this.#drawHead();
    this.#drawn = known;
    for (const part of this.#parts) part.show(detail);
  }

  step(step) {
    this.#training.add(step);
  }

  draw() {
    if (!this.#detail) return;
    this.#drawHead();
    for (const part of this.#parts) part.draw();
  }

  #drawHead() {
    const { name, title, base, method, status, stopping, error, log, rows } = this.#detail;
    const focused = this.#head.contains(document.activeElement) || (this.#pressed && document.activeElement === document.body);
    const badge = el("span", { className: `tune-status ${status}`, textContent: t(`tuneStatus_${status}`) });
    const faint = (text) => el("p", { className: "faint", textContent: text });
    this.#head.replaceChildren(
      el("div", { className: "tune-title" }, el("h3", { textContent: title || name }), badge),
      ...(base ? [faint(t("tuneBase", { base, method }))] : []),
      this.#buttons(),
      ...(stopping ? [faint(t("tuneStopping"))] : []),
      ...(error ? [fault(error)] : []),
      ...(log ? [folded(t("tuneLog"), log)] : []),
      ...(status === "faulty" ? [] : [this.#steps()]),
      ...(rows ? [faint(t("tuneRows", rows))] : []),
    );
    // A button that is pressed gives way to the next one, which takes over the focus.
    const next = focused && this.#head.querySelector("button:enabled");
    if (!next) return;
    next.focus({ preventScroll: true });
    this.#pressed = false;
  }

  #buttons() {
    const { status, stopping } = this.#detail;
    const { installed, busy } = this.#around;
    const row = el("div", { className: "tune-actions" });
    if (status === "faulty") return row;
    if (status === "running") {
      row.append(this.#button("stop", t("tuneStop"), "strong", stopping));
      return row;
    }
    const names = { new: "tuneStart", done: "tuneAgain" };
    row.append(this.#button("run", t(names[status] ?? "tuneGoOn"), "strong", Boolean(busy) || !installed));
    row.append(this.#button("audit", t("tuneAudit"), "outlined", Boolean(busy)));
    if (busy) row.append(el("span", { className: "faint", textContent: t("tuneBusy", { name: busy }) }));
    return row;
  }

  #button(action, text, className, disabled) {
    const pressed = async (event) => {
      event.target.disabled = true;
      this.#pressed = true;
      if (!(await this.#act(action))) event.target.disabled = false;
    };
    const made = button(text, pressed, { className, disabled });
    made.dataset.action = action;
    return made;
  }

  #steps() {
    const steps = this.#detail.steps.map(({ name, status }) => {
      const said = el("span", { className: "tune-is", textContent: t(`tuneIs_${status}`) });
      const entry = el("li", { className: status }, el("span", { textContent: t(`tuneStep_${name}`) }), said);
      if (status === "running") entry.setAttribute("aria-current", "step");
      return entry;
    });
    return el("ol", { className: "tune-steps", "aria-label": t("tuneSteps") }, ...steps);
  }
}

export function fault({ message, mend }) {
  const told = el("div", { className: "tune-fault" }, el("p", { textContent: message }));
  if (mend) told.append(el("p", { className: "tune-mend", textContent: `→ ${mend}` }));
  return told;
}

function folded(summary, text) {
  const lines = el("pre", { tabIndex: 0, role: "region", "aria-label": summary, textContent: text });
  return el("details", { className: "tune-log" }, el("summary", { textContent: summary }), lines);
}
