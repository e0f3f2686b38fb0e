// The rates of a certificate by threshold, drawn.

import { svg } from "../dom.js";
import { t } from "../i18n.js";

const WIDTH = 380;
const HEIGHT = 250;
const LEFT = 34;
const RIGHT = 12;
const TOP = 26;
const BOTTOM = 42;
const LINES = ["precision", "recall", "f1"];
const LABELS = { precision: "buildPrecision", recall: "buildRecall", f1: "buildF1" };
// About the size of a label.
const LABEL_WIDTH = 66;
const LABEL_HEIGHT = 16;

const x = (threshold) => LEFT + threshold * (WIDTH - LEFT - RIGHT);
const y = (rate) => HEIGHT - BOTTOM - rate * (HEIGHT - TOP - BOTTOM);
const round = (value) => value.toFixed(2);

// threshold: the served one, whose rates the certificate has.
export function curve({ precision, recall, f1, curve: points }, threshold) {
  const label = t("buildCurve", { threshold: round(threshold), precision: round(precision.value), recall: round(recall.value), f1: round(f1.value) });
  const drawn = LINES.map((name) => ({ name, points: points.filter((point) => name !== "precision" || point.recall > 0) }));
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "curve" },
    ...axes(),
    ...served(threshold),
    ...drawn.map(({ name, points: along }) =>
      svg("polyline", { class: name, points: along.map((point) => `${x(point.threshold)},${y(point[name])}`).join(" ") }),
    ),
    ...labels(drawn, points, threshold),
  );
}

function axes() {
  const marks = [0, 0.25, 0.5, 0.75, 1];
  return [
    ...marks.map((rate) => svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(rate), y2: y(rate) })),
    ...marks.map((rate) => svg("text", { class: "tick", x: LEFT - 6, y: y(rate) + 4, "text-anchor": "end" }, String(rate))),
    ...marks.map((at) => svg("text", { class: "tick", x: x(at), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, String(at))),
    svg("text", { class: "tick", x: x(0.5), y: HEIGHT - 6, "text-anchor": "middle" }, t("buildAxis")),
  ];
}

function served(threshold) {
  const anchor = threshold > 0.75 ? "end" : "start";
  return [
    svg("line", { class: "served-at", x1: x(threshold), x2: x(threshold), y1: TOP - 6, y2: y(0) }),
    svg("text", { class: "served-at", x: x(threshold), y: TOP - 12, "text-anchor": anchor }, t("buildServedAt", { threshold: round(threshold) })),
  ];
}

// Each line is named where the others are far and no other name stands.
function labels(drawn, points, threshold) {
  const placed = [];
  const boxes = [];
  for (const { name, points: along } of drawn) {
    let best = null;
    for (const point of along) {
      for (const aside of [-12, 12, -22, 22]) {
        const at = { x: x(point.threshold), y: y(point[name]) + aside };
        // Rather near its line, unless another would touch it there.
        const score = room(at, name, points, boxes, threshold) - (Math.abs(aside) > 12 ? 8 : 0);
        if (!best || score > best.score) best = { ...at, score };
      }
    }
    if (!best) continue;
    boxes.push(best);
    placed.push(svg("text", { class: `label ${name}`, x: best.x, y: best.y + 4, "text-anchor": "middle" }, t(LABELS[name])));
  }
  return placed;
}

// How far what is drawn is from a label in the middle of `at`; negative where it does not fit.
function room(at, own, points, boxes, threshold) {
  const half = LABEL_WIDTH / 2;
  if (at.x - half < LEFT || at.x + half > WIDTH - RIGHT || at.y < TOP || at.y > y(0) - 6) return -2;
  if (boxes.some((box) => Math.abs(box.x - at.x) < LABEL_WIDTH && Math.abs(box.y - at.y) < LABEL_HEIGHT)) return -1;
  let least = Math.abs(x(threshold) - at.x) > half ? 40 : 0;
  for (const point of points) {
    if (Math.abs(x(point.threshold) - at.x) > half) continue;
    for (const name of LINES) {
      const distance = Math.abs(y(point[name]) - at.y);
      // Its own line comes as near as it must.
      least = Math.min(least, name === own ? Math.max(distance, distance > 7 ? 14 : 0) : distance);
    }
  }
  return least;
}
