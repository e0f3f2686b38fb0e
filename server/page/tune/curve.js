// The loss over the steps, as SVG.

import { svg } from "../dom.js";
import { t } from "../i18n.js";

const HEIGHT = 220;
const EDGE = { left: 46, right: 12, top: 12, bottom: 34 };

// points: step and loss, in order. of: steps of the run. width: in pixels.
export function curve(points, of, width) {
  const label = t("tuneCurve", { first: points[0][0], from: points[0][1].toPrecision(3), last: points.at(-1)[0], to: points.at(-1)[1].toPrecision(3), of });
  const drawing = svg("svg", { class: "tune-svg", width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  const most = top(Math.max(...points.map(([, loss]) => loss).filter(Number.isFinite), 0));
  const x = (step) => EDGE.left + ((width - EDGE.left - EDGE.right) * step) / Math.max(of, 1);
  const y = (loss) => HEIGHT - EDGE.bottom - ((HEIGHT - EDGE.top - EDGE.bottom) * loss) / most;
  for (const part of [0, 0.5, 1]) {
    const at = y(most * part);
    drawing.append(svg("line", { class: "tune-grid", x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }));
    drawing.append(words(String(+(most * part).toPrecision(2)), EDGE.left - 6, at + 4, "end"));
  }
  for (const part of [0, 0.5, 1]) {
    const step = Math.round(of * part);
    drawing.append(words(String(step), x(step), HEIGHT - EDGE.bottom + 16, part === 1 ? "end" : "middle"));
  }
  drawing.append(words(t("tuneLoss"), 4, EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) / 4, "start"));
  drawing.append(words(t("tuneStepAxis"), x(of / 4), HEIGHT - 4, "middle"));
  const places = points.filter(([, loss]) => Number.isFinite(loss)).map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`);
  drawing.append(svg("polyline", { class: "tune-line", points: places.join(" ") }));
  return drawing;
}

// A round number not below `value`.
function top(value) {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  return size * [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].find((times) => times * size >= value);
}

function words(text, x, y, anchor) {
  return svg("text", { x, y, "text-anchor": anchor }, text);
}
