// How far a training is, and its loss.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { curve } from "./curve.js";
import { Part, heading } from "./part.js";

const MOST_POINTS = 800;
const LATEST = 20;

export class TrainingPart extends Part {
  #points = [];
  #last = null;
  #left = null;
  #times = [];
  #said = el("p", { className: "tune-at" });
  #bar = el("progress", { max: 1, value: 0 });
  #figure = el("div", { className: "tune-curve" });

  constructor() {
    super();
    // It is as wide as there is room for, so that its letters keep their size.
    new ResizeObserver(() => this.#redraw()).observe(this.#figure);
  }

  of(detail) {
    return [detail.training, detail.status];
  }

  clear() {
    super.clear();
    this.#times = [];
  }

  elements({ training }) {
    if (!training?.last) return null;
    this.#points = training.points.slice();
    this.#last = training.last;
    this.#left = training.seconds_left;
    this.#bar.setAttribute("aria-label", t("tuneTraining"));
    this.#redraw();
    return [heading(t("tuneTraining")), this.#bar, this.#said, this.#figure];
  }

  // A step that was just done.
  add(step) {
    if (!this.#last || this.root.hidden) {
      super.show({ training: { last: step, points: [[step.step, step.loss]], seconds_left: null }, status: "running" });
      return;
    }
    // Those that were done again after a stop take the place of the first ones.
    this.#points = this.#points.filter(([number]) => number < step.step);
    this.#points.push([step.step, step.loss]);
    if (this.#points.length > MOST_POINTS) this.#points = this.#points.filter((_, at) => at % 2);
    this.#last = step;
    this.#times = [...this.#times, step.seconds].slice(-LATEST);
    const mean = this.#times.reduce((sum, seconds) => sum + seconds, 0) / this.#times.length;
    this.#left = (step.of - step.step) * mean;
    this.#redraw();
  }

  #redraw() {
    if (!this.#last) return;
    const { step, of, loss, lr } = this.#last;
    const parts = [t("tuneAt", { step, of, loss: loss.toPrecision(3), lr: lr.toExponential(1) })];
    if (this.#left !== null && step < of) parts.push(t("tuneLeft", { time: duration(this.#left) }));
    this.#said.textContent = parts.join(" · ");
    this.#bar.max = of;
    this.#bar.value = step;
    this.#figure.replaceChildren(curve(this.#points, of, this.#figure.clientWidth || 640));
  }
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("tuneMinutes", { minutes, seconds: Math.round(seconds % 60) });
  return t("tuneHours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}
