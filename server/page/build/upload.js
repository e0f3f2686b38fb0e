// Uploads a file and tells how far it is: XMLHttpRequest alone reports that.

import { Problem } from "../api.js";
import { t } from "../i18n.js";
import { askForKey } from "../key.js";
import { loadKey } from "../store.js";
import { kbPath } from "./parts.js";

// Resolves when the file is stored; rejects with Problem. tell(share): 0 to 1 of it has been sent.
export async function upload(kb, file, tell) {
  for (;;) {
    const key = loadKey();
    const request = await send(kbPath(kb, "files"), file, key, tell);
    if (request.status === 201) return;
    if (request.status === 401 && (await askForKey(key))) continue;
    throw problemOf(request);
  }
}

function send(path, file, key, tell) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
    request.upload.onprogress = ({ loaded, total }) => tell(total ? loaded / total : 1);
    request.onload = () => resolve(request);
    request.onerror = () => reject(new Problem(0, t("buildCut"), t("buildCutMend")));
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}

function problemOf(request) {
  try {
    const { detail, mend } = JSON.parse(request.responseText);
    return new Problem(request.status, detail, mend);
  } catch {
    return new Problem(request.status, `${request.status} ${request.statusText}`);
  }
}
