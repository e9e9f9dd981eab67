// What states, steps and evidence are called. Pure functions from the API's data to words.

const REASONS = {
  not_visible: "Not visible here",
  cannot_tell: "Cannot tell",
  image_unusable: "The image cannot be used",
  no_evidence: "No evidence found",
};
const STOPS = {
  steps: "Stopped: all its steps were used",
  seconds: "Stopped: the time was over",
  tokens: "Stopped: the token budget was used",
  repairs: "Stopped: its replies could not be read",
  loop: "Stopped: it repeated itself",
  quality: "Not asked: the image cannot be used",
  model_error: "Stopped: the model failed",
};
const STEPS = {
  ground: "Find",
  crop: "Crop",
  zoom: "Zoom",
  window: "Window",
  flip_rotate: "Turn",
  slice: "Slice",
  measure: "Measure",
  relate: "Compare",
  refine: "Look again",
  check: "Check",
  repair: "Reply handed back",
  answer: "Answer not accepted",
};
const CHECKS = {
  geometry: "claims against their boxes",
  presence: "is it there at all",
  crop: "the claim on its own crop",
  claim: "the claim, asked again",
  twin: "its contrary, asked as well",
  order: "the options in another order",
};
const HOLDS = new Map([
  [true, "agrees with the boxes"],
  [false, "does not agree with the boxes"],
  [null, "cannot be told from the boxes"],
]);

/** [{text, tone}] about a whole answer. */
export function factsOf(result) {
  const facts = [];
  if (result.abstained) facts.push({ text: REASONS[result.reason] ?? REASONS.cannot_tell, tone: "open" });
  if (result.stopped_by !== "answer") {
    facts.push({ text: STOPS[result.stopped_by] ?? `Stopped by ${result.stopped_by}`, tone: "open" });
  }
  if (!result.abstained && !result.claims.length) {
    facts.push({ text: "nothing claimed: no box and no score bear this out", tone: "open" });
  }
  if (typeof result.confidence === "number" && !result.abstained) facts.push({ text: `confidence ${result.confidence.toFixed(2)}`, tone: "" });
  facts.push({ text: `${result.seconds.toFixed(1)} s`, tone: "" }, { text: result.model, tone: "" });
  return facts;
}

/** How a turn ended, when there is more to say than its answer; "" otherwise. */
export function endingOf(turn, problem) {
  const said = turn.problem ?? problem;
  if (said) return [said.title, said.detail].filter(Boolean).join(". ").replace("..", ".");
  if (turn.status === "cancelled") return "You stopped this question; there is no answer.";
  if (turn.status === "interrupted") return "The server stopped during this question; ask it again.";
  if (turn.status === "failed") {
    const failure = turn.result?.failure ? ` It said: ${turn.result.failure}` : "";
    return `The model failed: its server is down, slow or answered nonsense. Ask again later.${failure}`;
  }
  return "";
}

/** A step's name with what it was about. */
export function stepTitle(tool, given) {
  const pair = given.a && given.b ? `${given.a} and ${given.b}` : null;
  const slice = tool === "slice" ? String(Number(given.index) + 1) : null;
  const check = tool === "check" ? (CHECKS[given.kind] ?? null) : null;
  const about = [check, given.phrase, given.preset, given.region, given.question, pair, slice]
    .filter((part) => typeof part === "string" && part)
    .join(", ");
  const name = STEPS[tool] ?? tool;
  return about ? `${name}: ${about}` : name;
}

/** What a step told; for a check, which costs no call and so has no words of its own, what it held against
 * what. */
export function stepSaid(step) {
  const said = (step.ok ? step.observation : (step.error ?? step.observation)) ?? "";
  if (said.trim() || step.tool !== "check" || !step.facts?.verdicts) return said.trim();
  const told = step.facts.verdicts.map(({ what, said: words, holds }) =>
    what === "turn" ? `contradicts an earlier answer: ${words}` : `${what} “${words}” ${HOLDS.get(holds)}`,
  );
  return told.join("; ") || "nothing was said that a box can refute";
}

/** Where a piece of evidence is, how large, and what its score means. */
export function evidenceFacts(found, image) {
  const shape = image?.about.planes[found.plane];
  const [x0, y0, x1, y1] = found.box;
  const many = shape && shape.slices > 1;
  const spacing = shape?.spacing_mm;
  const size = spacing
    ? `${((x1 - x0) * spacing[1]).toFixed(1)} × ${((y1 - y0) * spacing[0]).toFixed(1)} mm`
    : `${Math.round(x1 - x0)} × ${Math.round(y1 - y0)} px`;
  const kind = found.score_kind === "relative" ? "relative score" : "score";
  const score = typeof found.score === "number" ? `${kind} ${found.score.toFixed(2)}` : drawn(found.tool);
  const place = [image && `image ${image.number}`, many && `${found.plane} ${found.slice + 1}`].filter(Boolean);
  return { place: place.join(", "), size, score };
}

function drawn(tool) {
  return tool === "user" ? "marked by you" : "unscored";
}

/** [{text, tone}] about one claim. */
export function claimNotes(claim) {
  const notes = claim.present ? [] : [{ text: "absent", tone: "" }];
  if (!claim.supported) notes.push({ text: claim.refuted ?? "no evidence cited", tone: "open" });
  else if (!claim.evidence.length) notes.push({ text: "decided by a score", tone: "" });
  return notes;
}
