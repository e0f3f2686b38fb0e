// How well a knowledge base tells what it can answer from what it cannot.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { curve } from "./curve.js";
import { note, Section, table } from "./parts.js";

const SELF_MADE = "questions made from its own sentences";
const round = (value) => value.toFixed(2);

export class CertificateSection extends Section {
  constructor() {
    super("certificate");
  }

  show(base) {
    this.base = base;
    this.element.hidden = !base.served;
    if (base.served) this.draw();
  }

  draw() {
    this.title.textContent = t("buildRefusals");
    this.body.replaceChildren(...parts(this.base.served.refusals));
  }
}

function parts(refusals) {
  if (!refusals) return [note(t("buildNoPassages"))];
  const { certificate, threshold } = refusals;
  if (!certificate) return [el("p", { className: "hint", textContent: t("buildUncertified", { threshold: round(threshold) }) })];
  const { accepted, near_refused: near, far_refused: far, source } = certificate;
  const made = source === SELF_MADE ? t("buildFromSentences") : t("buildFromLabelled");
  const words = el("p", { textContent: t("buildThreshold", { threshold: round(threshold), accepted, near, far }) });
  const drawn = certificate.curve.length
    ? [curve(certificate, threshold), note(t("buildCurveMore"))]
    : [note(t("buildCurveNone"))];
  return [words, note(made), el("div", { className: "pair" }, rates(certificate), el("figure", {}, ...drawn))];
}

function rates({ precision, recall, f1, near, far }) {
  const rows = [
    [t("buildPrecision"), t("buildPrecisionMore"), precision],
    [t("buildRecall"), t("buildRecallMore"), recall],
    [t("buildF1"), "", f1],
    [t("buildNear"), "", near],
    [t("buildFar"), "", far],
  ];
  const lines = rows
    .filter(([, , rate]) => rate)
    .map(([name, more, { value, low, high }]) => [
      el("div", {}, name, more ? el("p", { className: "faint", textContent: more }) : null),
      round(value),
      `${round(low)} – ${round(high)}`,
    ]);
  return table(t("buildRefusals"), [t("buildRate"), t("buildValue"), t("buildInterval")], lines, [1, 2]);
}
