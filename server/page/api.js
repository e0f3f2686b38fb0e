// Requests to the service: the key, problem documents, server-sent events.

import { t } from "./i18n.js";
import { askForKey } from "./key.js";
import { loadKey } from "./store.js";

export class Problem extends Error {
  constructor(status, detail, mend = "") {
    super(detail);
    this.status = status;
    this.detail = detail;
    this.mend = mend;
  }
}

// The response, if it is a good one; else throws Problem, or AbortError once `signal` has stopped it.
export async function request(path, { body, signal } = {}) {
  for (;;) {
    const key = loadKey();
    const response = await send(path, body, key, signal);
    if (response.ok) return response;
    if (response.status === 401 && (await askForKey(key))) continue;
    throw await problemOf(response);
  }
}

async function send(path, body, key, signal) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    throw error instanceof TypeError ? new Problem(0, t("offline"), t("offlineMend")) : error;
  }
}

async function problemOf(response) {
  try {
    const { detail, mend } = await response.json();
    return new Problem(response.status, detail, mend);
  } catch {
    return new Problem(response.status, `${response.status} ${response.statusText}`);
  }
}

export const json = async (path, options) => (await request(path, options)).json();

// Name and data of each event of an answer, as it comes.
export async function* events(path, body, signal) {
  const response = await request(path, { body, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      throw error instanceof TypeError ? new Problem(0, t("offline"), t("offlineMend")) : error;
    }
    if (piece.done) return;
    waiting = (waiting + piece.value).replace(/\r\n/g, "\n");
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event) yield event;
    }
  }
}

function parsed(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}

// Where a book's pages and text are.
export function bookPath(kb, source, rest) {
  return `kbs/${encodeURIComponent(kb)}/books/${source.split("/").map(encodeURIComponent).join("/")}/${rest}`;
}
