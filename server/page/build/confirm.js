// Dialogs: to confirm what cannot be undone, and to name something new.

import { button, el } from "../dom.js";
import { t } from "../i18n.js";
import { failure } from "./parts.js";

// Resolves once `act` has succeeded (true) or the dialog was left (false); what goes wrong is told in the dialog.
export function confirmed(title, more, doing, act, ...fields) {
  return new Promise((resolve) => {
    const trouble = el("div");
    const go = el("button", { type: "submit", className: "strong", textContent: doing });
    const heading = el("h2", { id: "build-dialog-title", textContent: title });
    const leave = button(t("buildCancel"), () => dialog.close());
    const parts = [heading, ...(more ? [el("p", { textContent: more })] : []), ...fields, trouble];
    const form = el("form", {}, ...parts, el("p", { className: "row end" }, leave, go));
    const dialog = el("dialog", { "aria-labelledby": heading.id }, form);
    let done = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      go.disabled = true;
      trouble.replaceChildren();
      try {
        await act();
        done = true;
        dialog.close();
      } catch (error) {
        trouble.replaceChildren(failure(error));
      }
      go.disabled = false;
    };
    dialog.onclose = () => {
      dialog.remove();
      resolve(done);
    };
    document.body.append(dialog);
    dialog.showModal();
    if (!fields.length) leave.focus();
  });
}

// The name of a new knowledge base once `make(name)` has succeeded; null when the dialog was left.
export async function named(make) {
  const hint = el("span", { id: "build-name-hint", className: "faint", textContent: t("buildNameHint") });
  const field = el("input", {
    required: true,
    autocomplete: "off",
    spellcheck: false,
    pattern: "[a-z0-9][a-z0-9_\\-]{0,62}",
    title: t("buildNameHint"),
    "aria-describedby": hint.id,
  });
  const label = el("label", {}, t("buildName"), field);
  const done = await confirmed(t("buildCreate"), "", t("buildCreate"), () => make(field.value), label, hint);
  return done ? field.value : null;
}
