// Whether an answer helped: a thumb, and for those who will, a comment and the right answer.

import { json } from "./api.js";
import { button, el } from "./dom.js";
import { t } from "./i18n.js";

export function feedbackForm(turn, actions) {
  const box = el("div", { className: "feedback" });
  const row = el("div", { className: "row" });
  const thumbs = [
    ["up", "👍", "good"],
    ["down", "👎", "bad"],
  ].map(([thumb, sign, label]) =>
    button(sign, () => choose(thumb), { className: "quiet thumb", "aria-label": t(label), "aria-pressed": String(turn.thumb === thumb) }),
  );
  row.append(...thumbs);
  box.append(row);

  function choose(thumb) {
    turn.thumb = thumb;
    thumbs.forEach((one, at) => one.setAttribute("aria-pressed", String((at === 0) === (thumb === "up"))));
    if (!box.querySelector("form")) box.append(form(turn, box, actions));
    box.querySelector("textarea").focus();
  }
  return box;
}

function form(turn, box, actions) {
  const comment = el("textarea", { rows: 2, maxLength: 2000 });
  const corrected = el("textarea", { rows: 3, maxLength: 4000 });
  const send = el("button", { type: "submit", className: "strong", textContent: t("sendFeedback") });
  const fields = el(
    "form",
    {},
    el("label", {}, t("comment"), comment),
    el("label", {}, t("corrected"), corrected),
    el("p", { className: "row" }, send),
  );
  fields.onsubmit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    const body = {
      answer_id: turn.answer.id,
      thumb: turn.thumb,
      comment: comment.value.trim() || null,
      corrected_answer: corrected.value.trim() || null,
    };
    try {
      await json("feedback", { body });
    } catch (error) {
      send.disabled = false;
      fields.querySelector(".note")?.remove();
      fields.append(el("p", { className: "note", role: "alert", textContent: `${error.detail ?? error.message} ${error.mend ?? ""}` }));
      return;
    }
    actions.save();
    box.replaceChildren(el("p", { className: "faint", textContent: t("thanks") }));
    actions.say(t("thanks"));
  };
  return fields;
}
