// The model that came out: how to serve it, and uploading it.

import { button, el } from "../dom.js";
import { t } from "../i18n.js";
import { labelled } from "./gate.js";
import { Part, heading } from "./part.js";

export class ModelPart extends Part {
  #act;

  constructor(act) {
    super();
    this.#act = act;
  }

  of(detail) {
    return [detail.model, detail.status, detail.kind];
  }

  elements({ model, status, kind, gate }) {
    if (!model) return null;
    const command = el("pre", { tabIndex: 0, role: "region", "aria-label": t("tuneServe") }, el("code", { textContent: model.command }));
    const copy = button(t("tuneCopy"), async () => {
      await navigator.clipboard.writeText(model.command);
      copy.textContent = t("tuneCopied");
    });
    const parts = [heading(t("tuneModel")), el("p", {}, el("code", { textContent: model.folder }))];
    parts.push(el("p", { className: "tune-title" }, t("tuneServe"), copy), command);
    if (model.override) parts.push(el("p", { className: "faint", textContent: t("tuneOverridden", { reason: model.override }) }));
    if (model.url) parts.push(el("p", { textContent: t("tuneUploaded", { url: model.url }) }));
    if (status === "running" && kind === "publish") parts.push(el("p", { textContent: t("tuneUploading") }));
    if (status !== "running" && gate && !gate.falls.length) parts.push(this.#hub());
    return parts;
  }

  #hub() {
    const repo = el("input", { required: true, maxLength: 200, autocomplete: "off", placeholder: "myschool/os-7b" });
    const hub = el("select", {}, el("option", { value: "huggingface", textContent: "Hugging Face" }), el("option", { value: "modelscope", textContent: "ModelScope" }));
    const hidden = el("input", { type: "checkbox", checked: true });
    const look = el("button", { type: "submit", className: "outlined", textContent: t("tuneLook") });
    const plan = el("div", { role: "status" });
    const check = el("label", { className: "check" }, hidden, el("span", { textContent: t("tunePrivate") }));
    const form = el("form", { className: "tune-form" }, labelled(t("tuneRepo"), repo), labelled(t("tuneTo"), hub), check, look);
    const wanted = (upload) => ({ repo: repo.value.trim(), to: hub.value, private: hidden.checked, upload });
    form.oninput = () => plan.replaceChildren();
    form.onsubmit = async (event) => {
      event.preventDefault();
      const found = await this.#act("publish", wanted(false));
      if (found) plan.replaceChildren(...told(found, () => this.#act("publish", wanted(true))));
    };
    const more = el("p", { className: "faint", textContent: t("tuneHubMore") });
    return el("details", {}, el("summary", { textContent: t("tuneHub") }), more, form, plan);
  }
}

function told({ files, size, gate, faults }, upload) {
  const plan = el("p", { textContent: t("tunePlan", { n: files.length, size: (size / 1e6).toFixed(1), gate }) });
  if (!faults.length) return [plan, button(t("tuneUpload"), upload, { className: "strong" })];
  const list = el("ul", {}, ...faults.map((text) => el("li", { textContent: text })));
  return [plan, el("div", { className: "tune-fault" }, list)];
}
