// The server's API. Every refusal becomes a Refusal with the words of its problem document.

const KEY = "foveate-key";

/** Why the server said no: `title` and `detail` as RFC 9457 has them, `status` as HTTP has it. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}.`);
    this.name = "Refusal";
    this.status = status;
    this.title = problem.title ?? "";
    this.problem = problem;
  }
}

let askForKey = async () => null;

/** Whom to ask for a key when the server wants one: an async function that gives it or null. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** A Response of the server, asking for a key where one is needed. Throws Refusal; TypeError when unreachable. */
export async function call(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { authorization: `Bearer ${key}` } : {}) };
  // the page may live below a proxy's prefix, so paths are relative to it
  const response = await fetch(new URL(path.replace(/^\//, ""), document.baseURI), { ...options, headers });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const given = response.status === 401 ? await askForKey() : null;
  if (!given) throw new Refusal(response.status, problem);
  sessionStorage.setItem(KEY, given);
  return call(path, options);
}

const json = async (path, options) => (await call(path, options)).json();
const at = (session) => `v1/sessions/${session}`;

export const sessions = () => json("v1/sessions?limit=100");
export const newSession = () => json("v1/sessions", { method: "POST" });
export const session = (id) => json(at(id));
export const deleteSession = (id) => call(at(id), { method: "DELETE" });
export const windows = () => json("v1/windows");
export const turn = (id, number) => json(`${at(id)}/turns/${number}`);
export const trace = (id) => json(`${at(id)}/trace`);
export const cancel = (id, number) => json(`${at(id)}/turns/${number}/cancel`, { method: "POST" });
export const png = async (path) => (await call(path)).blob();
export const viewPath = (id, name) => `${at(id)}/views/${name}.png`;
export const cropPath = (id, name) => `${at(id)}/evidence/${name}/crop.png`;

/** Uploads files; their names stay here, because a name may tell who the patient is. */
export function upload(id, files) {
  const body = new FormData();
  files.forEach((file, i) => body.append("files", file, `upload-${i + 1}`));
  return json(`${at(id)}/images`, { method: "POST", body });
}

/** Asks; gives the running turn. */
export function ask(id, question) {
  const headers = { "content-type": "application/json" };
  return json(`${at(id)}/turns`, { method: "POST", headers, body: JSON.stringify(question) });
}

/** The stream of a turn's events after the one with that number. */
export function events(id, number, after, signal) {
  return call(`${at(id)}/turns/${number}/events`, { headers: { "last-event-id": String(after) }, signal });
}

/** The intensities of a gray slice, exactly as they are stored: {width, height, values}. */
export async function intensities(id, image, plane, index, signal) {
  const where = new URLSearchParams({ plane, index });
  const response = await call(`${at(id)}/images/${image}/intensities?${where}`, { signal });
  const [width, height] = response.headers.get("x-size").split("x").map(Number);
  const kind = TYPES[response.headers.get("x-type")];
  return { width, height, values: new kind(await response.arrayBuffer()) };
}

const TYPES = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, float32: Float32Array };

/** A slice as the server draws it, for colour and for pictures too large to be sent whole. */
export function slicePng(id, image, plane, index, window, signal) {
  const where = new URLSearchParams({ plane, index, side: 2048, ...(window ?? {}) });
  return call(`${at(id)}/images/${image}/slice.png?${where}`, { signal }).then((response) => response.blob());
}
