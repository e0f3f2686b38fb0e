// What the audit found, by severity, with examples to fold out.

import { el } from "../dom.js";
import { t } from "../i18n.js";
import { Part, headRow, heading } from "./part.js";

const SEVERITIES = ["error", "warning", "note"];

export class AuditPart extends Part {
  of(detail) {
    return detail.audit;
  }

  elements({ audit }) {
    if (!audit) return null;
    if (!audit.findings.length) return [heading(t("tuneFindings")), el("p", { textContent: t("tuneNothing") })];
    const groups = SEVERITIES.flatMap((severity) => {
      const found = audit.findings.filter((finding) => finding.severity === severity);
      return found.length ? [group(severity, found, audit.accepted)] : [];
    });
    const head = headRow(t("tuneCheck"), t("tuneCount"), t("tuneWhat"));
    return [heading(t("tuneFindings")), el("table", { className: "tune-findings" }, head, ...groups)];
  }
}

function group(severity, findings, accepted) {
  const name = el("th", { colSpan: 3, scope: "rowgroup", textContent: `${t(`tuneSeverity_${severity}`)} (${findings.length})` });
  return el("tbody", { className: `tune-${severity}` }, el("tr", {}, name), ...findings.map((one) => row(one, accepted)));
}

function row({ check, severity, count, share, summary, todo, examples }, accepted) {
  const waved = severity === "error" && accepted.includes(check);
  const name = el("th", { scope: "row" }, el("code", { textContent: check }));
  if (waved) name.append(el("span", { className: "faint", textContent: ` ${t("tuneAccepted")}` }));
  const number = el("td", { textContent: `${count} (${Math.round(100 * share)} %)` });
  const what = el("td", {}, el("p", { textContent: summary }), el("p", { className: "tune-mend", textContent: `→ ${todo}` }));
  if (examples.length) what.append(folded(examples));
  return el("tr", {}, name, number, what);
}

function folded(examples) {
  const entries = examples.map(({ source, text, why }) =>
    el(
      "li",
      {},
      el("span", { className: "faint", textContent: source }),
      el("q", { textContent: text }),
      el("span", { textContent: why }),
    ),
  );
  const summary = el("summary", { textContent: t("tuneExamples", { n: examples.length }) });
  return el("details", {}, summary, el("ul", { className: "tune-examples" }, ...entries));
}
