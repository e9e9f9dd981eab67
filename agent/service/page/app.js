// The page: one session, its images on the stage, its questions beside them. Wires the parts together.

import * as api from "./api.js";
import { $, button, el, say } from "./dom.js";
import { dropped } from "./drop.js";
import { Slices } from "./slices.js";
import { Stage } from "./stage.js";
import { follow } from "./sse.js";
import { TurnCard } from "./turn.js";

const EXAMPLE = "Is there a nodule? Where, and how large?";
const REPLAYED = 5; // turns whose whole stream is read again when a session is opened
let session = null;
let cards = [];
let active = null; // the card whose boxes are shown
let lit = new Set();
let running = null; // {card, stop: AbortController}
let choseView = false; // the user went to a slice or window of their own
let shown = ""; // the views that the last question began with; the model has seen them

const stage = new Stage({
  boxesOn: (...place) => active?.boxesOn(...place) ?? [],
  lit: () => lit,
  hovered: light,
  marked: refreshAsk,
  moved: refreshAsk,
  failed: fail,
});

const hooks = {
  get session() {
    return session;
  },
  imageOf: (id) => stage.imageOf(id),
  reveal: (found) => stage.reveal(found),
  outline: (place) => stage.outline(place),
  light,
  active: activate,
  changed: () => stage.draw(),
  failed: fail,
};

function light(ids) {
  const same = ids.length === lit.size && ids.every((id) => lit.has(id));
  if (same) return;
  lit = new Set(ids);
  active?.light(lit);
  stage.draw();
}

function activate(card) {
  if (active === card) return;
  lit = new Set();
  active?.light(lit);
  active?.root.classList.remove("active");
  active = card;
  card?.root.classList.add("active");
  stage.draw();
}

function fail(error) {
  if (error.name === "AbortError") return;
  const known = error instanceof api.Refusal || error.name === "TellError";
  const words = known ? error.message : "The server cannot be reached; see whether it runs, then try again.";
  if (!known && !(error instanceof TypeError)) console.error(error);
  $("fault").textContent = [error.title, words].filter(Boolean).join(". ");
  $("fault").hidden = false;
}

const calm = () => ($("fault").hidden = true);

// sessions

async function openSession(id) {
  const told = await api.session(id);
  begin(told.id);
  stage.setImages(told.images);
  const late = told.turns.slice(-REPLAYED);
  for (const turn of told.turns.slice(0, -REPLAYED)) addCard(turn.turn, turn.question).restore(turn);
  for (const turn of late) {
    const card = addCard(turn.turn, turn.question);
    const over = turn.status !== "running";
    if (over) await listen(card, true).then(() => card.end(turn));
    else void watch(card);
    if (over && turn !== told.turns.at(-1)) card.looked.open = false;
  }
  if (cards.length) activate(cards.at(-1));
  $("turns").scrollTop = $("turns").scrollHeight;
  refreshAsk();
}

function begin(id) {
  running?.stop.abort();
  running = null;
  session = id;
  cards = [];
  activate(null);
  choseView = false;
  shown = "";
  $("turns").replaceChildren();
  stage.reset(id ? new Slices(id) : null);
  // the address keeps the session over a reload
  history.replaceState(null, "", id ? `#${id}` : location.pathname + location.search);
  refreshAsk();
  calm();
}

async function listSessions() {
  const { sessions } = await api.sessions();
  const rows = sessions.map((one) => {
    const when = new Date(1000 * one.updated).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const about = `${when}: ${count(one.images, "image")}, ${count(one.turns, "question")}`;
    const row = el("li", {});
    const open = button(about, () => ($("sessions-dialog").close(), openSession(one.id).catch(fail)));
    const drop = button("Delete", () => remove(one.id, row), { "aria-label": `Delete the session of ${when}` });
    row.append(open, drop);
    return row;
  });
  $("sessions").replaceChildren(...(rows.length ? rows : [el("li", { class: "soft", text: "There are none yet." })]));
  $("sessions-dialog").showModal();
}

async function remove(id, row) {
  if (!confirm("Delete this session with its images and answers?")) return;
  await api.deleteSession(id).catch(fail);
  row.remove();
  if (id === session) begin(null);
}

const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// images

async function upload(files) {
  if (!files.length) return;
  calm();
  const words = `Opening ${count(files.length, "file")}…`;
  say(words);
  document.body.classList.add("uploading");
  $("choose").textContent = $("add").textContent = words;
  try {
    if (!session) begin((await api.newSession()).id);
    const { images } = await api.upload(session, files);
    // one name each is known only when every file became an image of its own
    const own = images.length === files.length ? images.map((image, i) => [image.number, files[i].name]) : [];
    stage.setImages((await api.session(session)).images, new Map(own));
    say(`${count(images.length, "image")} opened: ${images.map((image) => image.about.description).join("; ")}`);
  } catch (error) {
    fail(error);
  } finally {
    document.body.classList.remove("uploading");
    $("choose").textContent = "Choose files";
    $("add").textContent = "Add images";
    refreshAsk();
  }
}

// questions

function addCard(number, question) {
  const card = new TurnCard(number, question, hooks);
  cards.push(card);
  $("turns").append(card.root);
  return card;
}

async function ask() {
  const question = $("question").value.trim();
  if (!question || running || !stage.images.length) return;
  calm();
  const marked = stage.marked();
  const body = { question };
  if (marked) Object.assign(body, { look: [marked.look], boxes: [marked.box] });
  else if (!$("here-label").hidden && $("here").checked && JSON.stringify(stage.looks()) !== shown) {
    body.look = stage.looks();
  }
  try {
    const turn = await api.ask(session, body);
    if (body.look) shown = JSON.stringify(body.look);
    $("question").value = "";
    stage.unmark();
    say("Asked.");
    const card = addCard(turn.turn, question);
    card.root.scrollIntoView({ block: "end" });
    void watch(card);
  } catch (error) {
    fail(error);
  }
}

/** Shows a running turn until its end. */
async function watch(card) {
  running = { card, stop: new AbortController() };
  const mine = running;
  activate(card);
  refreshAsk();
  try {
    await listen(card, false, mine.stop.signal);
    card.end(await api.turn(session, card.number));
  } catch (error) {
    fail(error);
  }
  if (running !== mine) return;
  running = null;
  refreshAsk();
}

/** Feeds a turn's events to its card, from the first; follows the end of the list unless the user went up. */
function listen(card, replayed, signal) {
  const id = session;
  const list = $("turns");
  const told = (kind, data) => {
    const atEnd = replayed || list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    card.feed(kind, data);
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
  const open = (after) => api.events(id, card.number, after, signal);
  return follow(open, "turn_end", told, (gone) => card.lost(gone), signal);
}

async function stop() {
  $("stop").disabled = true;
  try {
    await api.cancel(session, running.card.number);
  } catch (error) {
    if (error.status !== 409) fail(error); // it ended by itself just before
  }
}

function refreshAsk() {
  const there = stage.images.length > 0 && Boolean(stage.active?.image);
  const marked = there ? stage.marked() : null;
  $("marked").hidden = !marked;
  if (marked) $("marked-text").textContent = `Box on ${marked.words}`;
  refreshHere(there && !marked);
  $("send").disabled = !there || Boolean(running) || !$("question").value.trim();
  $("send").hidden = Boolean(running);
  $("stop").hidden = !running;
  if (!running) $("stop").disabled = false;
  $("question").disabled = !there;
  $("question").placeholder = there ? EXAMPLE : "Open an image first";
}

/** Offers to begin with the views that are shown, once they are anything else than what would be taken anyway. */
function refreshHere(possible) {
  const own = possible && stage.looks().some((look) => stage.away(look));
  $("here-label").hidden = !possible || !(own || choseView);
  $("here-text").textContent = stage.panes.length > 1 ? "Begin with the views shown" : "Begin with the view shown";
  if (own && !choseView) $("here").checked = choseView = true;
}

// the key

api.onKeyNeeded(() => {
  const dialog = $("key-dialog");
  return new Promise((resolve) => {
    const end = (key) => {
      dialog.removeEventListener("close", refuse);
      if (dialog.open) dialog.close();
      resolve(key);
    };
    const refuse = () => end(null);
    dialog.addEventListener("close", refuse);
    $("key").value = "";
    $("key-form").onsubmit = (event) => {
      event.preventDefault();
      end($("key").value.trim());
    };
    if (!dialog.open) dialog.showModal();
  });
});

// the parts of the page

function wire() {
  const pick = () => $("files").click();
  $("choose").onclick = $("add").onclick = pick;
  $("files").onchange = () => {
    const files = [...$("files").files];
    $("files").value = "";
    void upload(files);
  };
  $("ask").onsubmit = (event) => {
    event.preventDefault();
    void ask();
  };
  $("question").oninput = refreshAsk;
  $("question").onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void ask();
  };
  $("stop").onclick = stop;
  $("unmark").onclick = () => stage.unmark();
  $("new").onclick = () => begin(null);
  $("earlier").onclick = () => listSessions().catch(fail);
  for (const close of document.querySelectorAll("dialog .close")) close.onclick = () => close.closest("dialog").close();
  dropped((files) => upload(files));
  window.addEventListener("hashchange", openFromAddress);
}

async function openFromAddress() {
  const id = /^#([0-9a-f]{32})$/.exec(location.hash)?.[1];
  if (!id || id === session) return;
  try {
    await openSession(id);
  } catch (error) {
    begin(null);
    fail(error);
  }
}

wire();
refreshAsk();
try {
  stage.presets = (await api.windows()).windows;
} catch (error) {
  fail(error);
}
await openFromAddress();
document.body.dataset.ready = "true";
