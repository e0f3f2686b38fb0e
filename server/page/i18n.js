// Chinese and English. What is said stands in texts.js, and in that of each view.

import { TEXTS } from "./texts.js";

const PREFERENCE = "keben.language";
const texts = { zh: {}, en: {} };

export function addTexts(added) {
  for (const each of Object.keys(texts)) Object.assign(texts[each], added[each]);
}

addTexts(TEXTS);
let language = localStorage.getItem(PREFERENCE) ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
if (!(language in texts)) language = "en";

export const currentLanguage = () => language;

export function t(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(PREFERENCE, language);
  translate();
}

// Fills in what index.html leaves to this file.
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = t(element.dataset.placeholder);
}
