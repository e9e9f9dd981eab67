// One question and what came of it, as it comes: steps with pictures, the answer, claims tied to boxes.
// Knows the events of a turn; shows words only as text. Talks to the page through `hooks`.

import * as api from "./api.js";
import { $, button, el, save, say } from "./dom.js";
import { claimRow } from "./claims.js";
import { endingOf, factsOf, stepSaid, stepTitle } from "./words.js";

/** `hooks`: session, placeOf(evidence) text, reveal(place), outline(place), light(ids), active(card), changed(). */
export class TurnCard {
  constructor(number, question, hooks) {
    Object.assign(this, { number, question, hooks });
    this.evidence = new Map(); // all that this turn found or cites
    this.cited = new Set();
    this.views = new Map();
    this.rows = new Map();
    this.running = true;
    this.steps = el("ol", { class: "steps" });
    this.summary = el("summary", { text: "Looking…" });
    this.looked = el("details", { class: "looked", open: true, hidden: true }, this.summary, this.steps);
    this.thought = el("p", { class: "thought", hidden: true });
    this.answer = el("p", { class: "answer" });
    this.facts = el("p", { class: "facts" });
    this.claims = el("ul", { class: "claims", "aria-label": "Claims" });
    this.actions = el("p", { class: "actions" });
    this.state = el("p", { class: "state", text: "Looking…" });
    const parts = [this.looked, this.thought, this.answer, this.facts, this.state, this.claims, this.actions];
    this.root = el("li", { class: "turn", data: { turn: number } }, el("h2", { text: question }), ...parts);
    this.root.addEventListener("pointerdown", () => hooks.active(this));
    this.root.addEventListener("focusin", () => hooks.active(this));
  }

  /** Takes one event of the stream. */
  feed(kind, data) {
    const take = this[`on_${kind}`];
    if (take) take.call(this, data);
  }

  /** Shows a turn that ended earlier from its record. */
  restore(turn) {
    for (const found of turn.result?.evidence ?? []) this.evidence.set(found.id, found);
    for (const step of turn.result?.steps ?? []) this.on_step(step);
    if (turn.result) this.on_answer(turn.result);
    this.end(turn);
    this.looked.open = false;
  }

  /** Boxes on a slice: [{id, label, box, cited}]. */
  boxesOn(image, plane, index) {
    const here = [...this.evidence.values()].filter(
      (found) => found.image === image.id && found.plane === plane && found.slice === index,
    );
    return here.map(({ id, label, box }) => ({ id, label, box, cited: this.cited.has(id) }));
  }

  light(ids) {
    for (const row of this.claims.children) {
      row.classList.toggle("lit", row.dataset.evidence.split(" ").some((id) => ids.has(id)));
    }
    for (const chip of this.claims.querySelectorAll("[data-id]")) chip.classList.toggle("lit", ids.has(chip.dataset.id));
  }

  // events

  on_view(view) {
    this.views.set(view.name, view);
    if (!this.begun) this.row(`view ${view.name}`, "Opening view", view.name);
  }

  on_box(found) {
    this.evidence.set(found.id, found);
    this.hooks.changed();
    if (this.evidence.size === 1) this.hooks.reveal(found);
  }

  on_model_start() {
    this.begun = true;
    this.thought.textContent = this.answer.textContent = "";
    this.state.textContent = "Thinking…";
  }

  on_token({ channel, delta }) {
    if (channel === "answer") this.answer.textContent += delta;
    else {
      this.thought.textContent = (this.thought.textContent + delta).slice(-600);
      this.thought.hidden = !this.thought.textContent.trim();
    }
  }

  on_tool_start({ n, tool, arguments: given }) {
    this.begun = true;
    this.row(n, stepTitle(tool, given), null).classList.add("running");
    this.state.textContent = "Looking…";
    say(`Step ${n}: ${stepTitle(tool, given)}`);
  }

  on_step(step) {
    this.begun = true;
    this.thought.hidden = true;
    if (step.tool === "answer" && step.ok) return;
    const row = this.row(step.n, stepTitle(step.tool, step.arguments ?? {}), this.viewOf(step));
    row.classList.remove("running");
    row.classList.toggle("failed", !step.ok);
    row.querySelector(".said").textContent = stepSaid(step);
    row.querySelector(".took").textContent = `${(step.seconds ?? 0).toFixed(2)} s`;
  }

  on_repair(step) {
    const reason = step.reason ?? step.error ?? step.observation ?? "";
    this.on_step({ ok: false, seconds: 0, ...step, tool: "repair", error: reason });
  }

  on_answer(result) {
    this.result = result;
    this.begun = true;
    this.answer.textContent = result.answer;
    for (const found of result.evidence) this.evidence.set(found.id, found);
    this.cited = new Set(result.evidence.map((found) => found.id));
    this.facts.replaceChildren(...factsOf(result).map((fact) => el("span", { class: fact.tone, text: fact.text })));
    this.claims.replaceChildren(...result.claims.map((claim) => claimRow(claim, this.evidence, this.hooks)));
    this.hooks.changed();
    if (result.evidence.length) this.hooks.reveal(result.evidence[0]);
  }

  on_error(problem) {
    this.problem = problem;
  }

  /** Whether the server can be heard just now. */
  lost(gone) {
    if (this.running) this.state.textContent = gone ? "The connection is lost; trying again…" : "Looking…";
  }

  /** Shows how the turn ended, from its record. */
  end(turn) {
    this.running = false;
    this.thought.hidden = true;
    for (const row of this.steps.querySelectorAll(".running")) row.classList.replace("running", "failed");
    const ending = endingOf(turn, this.problem);
    this.state.textContent = ending;
    this.state.classList.toggle("fault", turn.status !== "done" && turn.status !== "cancelled");
    this.state.hidden = !ending;
    // "no answer, nothing found" says less than why the model failed
    if (turn.status === "failed" && !this.claims.children.length) this.answer.textContent = this.facts.textContent = "";
    this.summarize();
    this.offer(turn);
    say(this.result?.answer && turn.status === "done" ? `Answer: ${this.result.answer}` : ending);
    this.hooks.changed();
  }

  // parts

  viewOf(step) {
    const named = [...(step.views ?? []), step.arguments?.view];
    const seen = (step.evidence ?? []).map((id) => this.evidence.get(id)?.view);
    return [...named, ...seen].find((name) => typeof name === "string" && /^V\d+$/.test(name)) ?? null;
  }

  row(key, title, view) {
    let row = this.rows.get(key);
    if (!row) {
      const words = el("div", {}, el("b"), el("p", { class: "said" }), el("span", { class: "took num" }));
      row = el("li", {}, el("span", { class: "thumb" }), words);
      this.rows.set(key, row);
      this.steps.append(row);
      this.looked.hidden = false;
    }
    row.querySelector("b").textContent = title;
    if (view && row.dataset.view !== view) this.picture(row, view, title);
    this.summarize();
    return row;
  }

  async picture(row, name, title) {
    row.dataset.view = name;
    const picture = el("img", { alt: `What the model looked at: ${title}, ${name}`, loading: "lazy" });
    const open = el("button", { type: "button", class: "thumb", "aria-label": `Enlarge ${name}: ${title}` }, picture);
    row.querySelector(".thumb").replaceWith(open);
    const outline = (on) => this.hooks.outline(on ? placeOfView(this.views.get(name)) : null);
    for (const [event, on] of [["pointerenter", true], ["pointerleave", false], ["focus", true], ["blur", false]]) {
      open.addEventListener(event, () => outline(on));
    }
    open.addEventListener("click", () => enlarge(picture, `${name}: ${title}`));
    try {
      picture.src = URL.createObjectURL(await api.png(api.viewPath(this.hooks.session, name)));
    } catch {
      open.replaceWith(el("span", { class: "thumb", text: name })); // deleted meanwhile
    }
  }

  summarize() {
    const steps = [...this.rows.keys()].filter((key) => typeof key === "number").length;
    const seconds = this.result ? `, ${this.result.seconds.toFixed(1)} s` : "";
    this.summary.textContent = `What it looked at: ${steps} step${steps === 1 ? "" : "s"}${seconds}`;
  }

  offer(turn) {
    const { session } = this.hooks;
    const name = `foveate-${this.number}`;
    const asJson = (data) => new Blob([JSON.stringify(data, null, 2)], { type: "application/json" });
    const overlay = async (path, i) => save(await api.png(path), `${name}-overlay${i ? `-${i + 1}` : ""}.png`);
    const all = () => Promise.all((turn.overlays ?? []).map(overlay)).catch(this.hooks.failed);
    const replay = () => api.trace(session).then((data) => save(asJson(data), "foveate-trace.json")).catch(this.hooks.failed);
    this.actions.replaceChildren(
      ...(this.result?.evidence.length ? [button("Overlay PNG", all)] : []),
      ...(turn.result ? [button("Answer JSON", () => save(asJson(turn.result), `${name}.json`))] : []),
      ...(turn.result ? [button("Trace JSON", replay)] : []),
    );
  }
}

function placeOfView(view) {
  return view && { image: view.image_id, plane: view.plane, slice: view.slice_index, box: view.region };
}

function enlarge(picture, title) {
  $("look-title").textContent = title;
  $("look-picture").src = picture.src;
  $("look-picture").alt = picture.alt;
  $("look-about").textContent = "The picture as the model was given it.";
  $("look-dialog").showModal();
}
