// A claim of an answer as a row: its words, and a button for each piece of evidence, lit together with its box.

import * as api from "./api.js";
import { el } from "./dom.js";
import { colourOf } from "./draw.js";
import { claimNotes, evidenceFacts } from "./words.js";

/** A list item for a claim; `evidence` maps names to what was found. */
export function claimRow(claim, evidence, hooks) {
  const known = claim.evidence.filter((id) => evidence.has(id));
  const notes = claimNotes(claim).map(({ text, tone }) => el("span", { class: `note ${tone}`, text }));
  const chips = known.map((id) => chip(evidence.get(id), hooks));
  const row = el("li", { data: { evidence: known.join(" ") } }, el("p", { text: claim.text }, ...spaced(notes)), ...chips);
  if (known.length) {
    row.addEventListener("pointerenter", () => show(known, evidence, hooks));
    row.addEventListener("pointerleave", () => hooks.light([]));
  }
  return row;
}

function chip(found, hooks) {
  const { place, size, score } = evidenceFacts(found, hooks.imageOf(found.image));
  const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
  swatch.style.background = colourOf(found.id); // through the object model, which the CSP allows
  const picture = el("img", { class: "crop", alt: "" });
  const facts = el("span", { class: "num", text: [place, size, score].filter(Boolean).join(" · ") });
  const words = el("span", { class: "words" }, el("b", {}, swatch, `${found.id} ${found.label}`), facts);
  const made = el("button", { type: "button", class: "chip", data: { id: found.id } }, picture, words);
  const only = new Map([[found.id, found]]);
  made.addEventListener("focus", () => show([found.id], only, hooks));
  made.addEventListener("click", () => show([found.id], only, hooks));
  made.addEventListener("blur", () => hooks.light([]));
  api
    .png(api.cropPath(hooks.session, found.id))
    .then((blob) => (picture.src = URL.createObjectURL(blob)))
    .catch(() => picture.remove());
  return made;
}

function show(ids, evidence, hooks) {
  hooks.light(ids);
  hooks.reveal(evidence.get(ids[0]));
}

function spaced(parts) {
  return parts.flatMap((part) => [" ", part]);
}
