// Uploads a file and tells how far it is: XMLHttpRequest alone reports that.

import { kbPath, Problem, withKey } from "../api.js";
import { t } from "../i18n.js";

// Resolves when the file is stored; rejects with Problem. tell(share): 0 to 1 of it has been sent.
export const upload = (kb, file, tell) => withKey((headers) => send(kbPath(kb, "files"), headers, file, tell));

function send(path, headers, file, tell) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => tell(total ? loaded / total : 1);
    request.onload = () => resolve(new Response(request.responseText, { status: request.status, statusText: request.statusText }));
    request.onerror = () => reject(new Problem(0, t("buildCut"), t("buildCutMend")));
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}
